"""Feature vectors and Hessians equal those of DeePMD-kit's PyTorch backend."""

from __future__ import annotations

import numpy as np
import pytest

from deepattn.infer import DeepPot

from .deepmd_kit import DP320PT, read_cases, run_inside, write_cases
from .torch_sections import frames, multitask, single


def without_attention(section):
    """A section of DPA-1 with no layers of attention."""
    return {**section, "descriptor": {**section["descriptor"], "attn_layer": 0}}


# DeePMD-kit's are NaN where there is attention and an empty slot.
HESSIANS = ("se_e2_a_plain", "dpa1_no_attention", "dpa2_1")
# Nets of their own for each type, one net, message passing, one net told apart by the branch.
MODELS = {
    **{name: single()[name] for name in ("se_e2_a_plain", "dpa1_1_concat_smooth", "dpa2_1")},
    "dpa1_no_attention": without_attention(single()["dpa1_1_concat_smooth"]),
    "dpa1_one_fitting": multitask()["dpa1_one_fitting"],
}


@pytest.mark.slow
def test_embeddings(tmp_path):
    jobs = []
    for seed, (name, section) in enumerate(MODELS.items()):
        write_cases(tmp_path / f"{name}.cases.npz", frames(seed, section))
        section = {**section, "hessian_mode": name in HESSIANS}
        job = {"model": section, "seed": seed, "embedding": True}
        endings = {"file": ".pt", "cases": ".cases.npz", "output": ".npz"}
        jobs.append(job | {key: str(tmp_path / f"{name}{end}") for key, end in endings.items()})
    run_inside(DP320PT.require(), "torch_files.py", jobs, tmp_path)
    for name, section in MODELS.items():
        theirs = read_cases(tmp_path / f"{name}.npz")
        for head in section.get("model_dict", [None]):
            with DeepPot(tmp_path / f"{name}.pt", head=head) as model:
                for case, given in read_cases(tmp_path / f"{name}.cases.npz").items():
                    theirs_here = theirs[f"{head}/{case}" if head else case]
                    options = {key: given[key] for key in ("fparam", "aparam") if key in given}
                    frame = (given["coord"], given.get("box"), given["atype"])
                    found = dict(
                        zip(
                            ("descriptor", "atomic_feature", "structural_feature"),
                            model.eval_embedding(*frame, **options, dtype="fp64"),
                            strict=True,
                        ),
                        last_layer=model.eval_fitting_last_layer(*frame, **options),
                    )
                    assert model.has_hessian == (name in HESSIANS)
                    if model.has_hessian and case == "cell":  # one, as they take long to trace
                        found["hessian"] = model.eval_hessian(*frame, **options)
                    for part, vectors in found.items():
                        of_atoms = "atomic_feature" if part == "last_layer" else part
                        expected = theirs_here[of_atoms]
                        assert vectors.shape == expected.shape, (name, head, case, part)
                        scale = np.abs(expected).max()
                        difference = np.abs(vectors - expected).max()
                        assert difference < 1e-10 * scale, (name, head, case, part)
