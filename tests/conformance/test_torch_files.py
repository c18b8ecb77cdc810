"""Files of DeePMD-kit's PyTorch backend: read as PyTorch evaluates them, and written for it.

Files are those that a training writes, over the options of all descriptors, single and multi-task,
and frozen ones. Nothing on our side imports PyTorch.
"""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deepattn.errors import ModelFileError
from deepattn.export import convert
from deepattn.infer import DeepPot
from deepattn.models import load_model, open_model_file

from .compare import keras_eval
from .deepmd_kit import DP320PT, read_cases, run_inside, write_cases
from .dpa2_options import random_sections
from .dpmodel_models import sections
from .systems import TRICLINIC, scatter

pytestmark = [
    pytest.mark.xdist_group("files of PyTorch"),
    # The peer imports PyTorch and evaluates forces of thirty models.
    pytest.mark.slow,
]
NATOMS = 9
DPA2 = 10
# Those that are frozen too. TorchScript cannot evaluate models with atom_ener twice.
FROZEN = (
    *("dpa1_0_strip_smooth", "dpa1_1_concat_plain", "dpa1_2_concat_smooth"),
    *("se_e2_a_plain", "dpa2_1", "dpa2_4"),
)
# By message passing; DeePMD-kit gives the virial of an edge to other atoms.
KEYS = {"dpa2": ("energy", "atom_energy", "force", "virial")}
ALL = ("energy", "atom_energy", "force", "virial", "atom_virial")


def single() -> dict[str, dict]:
    """Model sections by name."""
    found = dict(sections())
    for name, section in found.items():
        descriptor = section["descriptor"]
        if name.startswith("se_e2_a") and descriptor["exclude_types"]:
            # Else nets of excluded pairs count for empty slots, which is refused.
            found[name] = {**section, "descriptor": {**descriptor, "set_davg_zero": True}}
    plain = found["se_e2_a_0"]
    fitting = {**plain["fitting_net"], "atom_ener": []}
    found["se_e2_a_plain"] = {**plain, "fitting_net": fitting}
    found |= {f"dpa2_{k}": section for k, section in enumerate(random_sections(DPA2))}
    return found


def multitask() -> dict[str, dict]:
    """Sections of multi-task models: nets of their own, and one net told apart by the branch."""
    found = {}
    for name, base in (("dpa1", single()["dpa1_2_strip_smooth"]), ("dpa2", single()["dpa2_2"])):
        for shared in (False, True):
            fitting = {**base["fitting_net"], "numb_fparam": 0, "numb_aparam": 0}
            if shared:
                fitting["dim_case_embd"] = 3
            found[f"{name}_{'one' if shared else 'own'}_fitting"] = {
                "shared_dict": {
                    "types": base["type_map"],
                    "descriptor": base["descriptor"],
                    "fitting": fitting,
                },
                "model_dict": {
                    branch: {
                        "type_map": "types",
                        "descriptor": "descriptor",
                        "fitting_net": "fitting" if shared else {**fitting, "seed": k},
                        "model_branch_alias": [f"branch {k}"],
                        "info": {"observed-type": ["O"]},
                    }
                    for k, branch in enumerate(("Metals", "Water", "Domains_Alloy"))
                },
            }
    return found


SINGLE, MULTITASK = single(), multitask()


class Answers:
    """The files, and what DeePMD-kit says of them."""

    def __init__(self, folder: Path):
        self.folder = folder
        jobs = [self._job(k, name) for k, name in enumerate({**SINGLE, **MULTITASK})]
        run_inside(DP320PT.require(), "torch_files.py", jobs, folder)

    def path(self, name: str, suffix: str) -> Path:
        return self.folder / f"{name}{suffix}"

    def cases(self, name: str) -> dict[str, dict[str, np.ndarray]]:
        return read_cases(self.path(name, ".cases.npz"))

    def reference(self, name: str) -> dict[str, dict[str, np.ndarray]]:
        return read_cases(self.path(name, ".npz"))

    def _job(self, seed: int, name: str) -> dict[str, Any]:
        section = {**SINGLE, **MULTITASK}[name]
        fitting = section.get("fitting_net", {})
        write_cases(self.path(name, ".cases.npz"), _cases(seed, fitting))
        return {
            "model": section,
            "seed": seed,
            "file": str(self.path(name, ".pt")),
            "frozen": str(self.path(name, ".pth")) if name in FROZEN else None,
            "cases": str(self.path(name, ".cases.npz")),
            "output": str(self.path(name, ".npz")),
        }


def _cases(seed: int, fitting: dict) -> dict[str, dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    cases = {}
    for name, periodic in (("cell", True), ("open", False)):
        coord = scatter(rng, TRICLINIC, NATOMS, closest=1.1, periodic=periodic)
        case = {"coord": coord[None], "atype": rng.integers(0, 3, NATOMS).astype(np.int32)}
        if periodic:
            case["box"] = TRICLINIC.reshape(1, 9)
        for key, shape in (("fparam", (1,)), ("aparam", (1, NATOMS))):
            width = fitting.get(f"numb_{key}", 0)
            if width:
                case[key] = rng.normal(size=(*shape, width))
        cases[name] = case
    return cases


@pytest.fixture(scope="module")
def answers(tmp_path_factory) -> Answers:
    return Answers(tmp_path_factory.mktemp("torch"))


def assert_equal(ours, theirs, name: str, *, prefix: str = "", tolerance: float = 1e-9) -> None:
    keys = next((keys for kind, keys in KEYS.items() if name.startswith(kind)), ALL)
    for case, values in ours.items():
        for key in keys:
            expected = theirs[f"{prefix}{case}"][key]
            error = np.abs(values[key].reshape(expected.shape) - expected).max()
            assert error <= tolerance * np.abs(expected).max(), (name, case, key)


def tolerance_of(name: str) -> float:
    return 2e-5 if name.endswith("float32") else 1e-9


@pytest.mark.parametrize("name", SINGLE)
def test_checkpoint(answers: Answers, name: str) -> None:
    model, header = load_model(answers.path(name, ".pt"))
    ours = keras_eval(model, answers.cases(name))
    assert_equal(ours, answers.reference(name), name, tolerance=tolerance_of(name))
    assert header["min_nbor_dist"] is None
    assert "torch" not in sys.modules


@pytest.mark.parametrize("name", FROZEN)
def test_frozen_model(answers: Answers, name: str) -> None:
    model, _ = load_model(answers.path(name, ".pth"))
    ours = keras_eval(model, answers.cases(name))
    assert_equal(ours, answers.reference(name), name, prefix="frozen/")


@pytest.mark.parametrize("name", MULTITASK)
def test_branches(answers: Answers, name: str) -> None:
    path = answers.path(name, ".pt")
    file = open_model_file(path)
    branches = list(MULTITASK[name]["model_dict"])
    assert list(file.branches) == branches
    for k, branch in enumerate(branches):
        model, _ = load_model(path, head=f"branch {k}")
        ours = keras_eval(model, answers.cases(name))
        assert_equal(ours, answers.reference(name), name, prefix=f"{branch}/")
    with pytest.raises(ModelFileError, match="Metals, Water, Domains_Alloy"):
        load_model(path)
    with DeepPot(path, head="Water") as pot:
        assert pot.get_type_map() == ["O", "H", "C"]


def test_what_is_written_is_read_by_pytorch(answers: Answers, tmp_path: Path) -> None:
    """Every file written anew, and every branch by itself."""
    jobs = []
    written = {name: (name, None) for name in SINGLE}
    for name in MULTITASK:
        written[f"{name} Water"] = (name, "Water")
    for target, (name, head) in written.items():
        path = tmp_path / f"{target}.pt"
        convert(answers.path(name, ".pt"), path, head=head)
        cases = str(answers.path(name, ".cases.npz"))
        output = str(tmp_path / f"{target}.npz")
        jobs.append({"given": str(path), "heads": [], "cases": cases, "output": output})
    run_inside(DP320PT.require(), "torch_files.py", jobs, tmp_path)
    for target, (name, head) in written.items():
        theirs = answers.reference(name)
        given = read_cases(tmp_path / f"{target}.npz")
        prefix = f"{head}/" if head else ""
        assert_equal(given, theirs, name, prefix=prefix, tolerance=tolerance_of(name))


def test_other_models_are_refused(answers: Answers, tmp_path: Path) -> None:
    """Whatever the section of a file says that is not known here."""
    from deepattn.formats.torch import TorchFile
    from deepattn.models.torch_state import from_torch

    path = answers.path("dpa2_1", ".pt")
    model = TorchFile(path.read_bytes(), path).model()
    for change in (
        {"type": "zbl"},
        {"spin": {"use_spin": [True]}},
        {"pair_exclude_types": [[0, 1]]},
        {"bridging_method": "linear"},
        {"unheard": 1},
    ):
        section = {**copy.deepcopy(model.section), **change}
        changed = type(model)(section, model.tensors, model._content)
        with pytest.raises(ModelFileError, match=next(iter(change))):
            from_torch(changed, str(path))
