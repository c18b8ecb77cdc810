"""Runs inside DeePMD-kit's Python with PyTorch: files of models, and what these say of frames.

``python torch_files.py JOBS.json``: a list of ``{"model": section, "seed": int, "file": pt,
"frozen": pth or null, "evaluate_frozen": bool, "cases": npz, "output": npz}``. The file is what a
training writes after its last step, with random weights, statistics and biases. A section with
``model_dict`` is multi-task; its output has the name of the branch before that of the case, and the
frozen model is the last branch. With ``"older": {"keys": {block: [key]}, "tensors": [part]}`` keys
of the section and tensors are left out, and numbers are NumPy's, as in files of earlier versions.
With ``"given": pt`` instead of a model that file is evaluated, after the command lines of ``dp`` in
``"commands"``. With ``"embedding": true`` the feature vectors of ``eval_embedding`` are part of the
output. The cases are those of ``evaluate.py``.
"""

import json
import sys

import numpy as np
import torch
from cases import read_cases
from deepmd.infer import DeepPot
from deepmd.main import main as dp
from deepmd.pt.model.model import get_model
from deepmd.pt.train.wrapper import ModelWrapper
from deepmd.pt.utils.multi_task import preprocess_shared_params
from deepmd.utils.argcheck import model_args

EMBEDDINGS = ("descriptor", "atomic_feature", "structural_feature")
FLOATS = (torch.float64, torch.float32)


def main(jobs: str) -> None:
    with open(jobs) as file:
        for job in json.load(file):
            for command in job.get("commands", []):
                dp(command)
            cases, results = read_cases(job["cases"]), {}
            path = job.get("given") or make(job)
            heads = list(job["model"].get("model_dict", [])) if "model" in job else job["heads"]
            for head in heads or [None]:
                evaluate(path, cases, results, head, embedding=job.get("embedding", False))
            if job.get("evaluate_frozen"):
                evaluate(job["frozen"], cases, results, None, prefix="frozen/")
            if job.get("older"):
                make_older(path, **job["older"])
            np.savez(job["output"], **results)


def make(job: dict) -> str:
    """Write the file, and its frozen form."""
    torch.manual_seed(job["seed"])
    rng = np.random.default_rng(job["seed"])
    section = json.loads(json.dumps(job["model"]))
    links = None
    if "model_dict" in section:
        section, links = preprocess_shared_params(section)
        for name, part in section["model_dict"].items():
            section["model_dict"][name] = normalized(part)
        model = {name: get_model(part) for name, part in section["model_dict"].items()}
    else:
        section = normalized(section)
        model = get_model(section)
    wrapper = ModelWrapper(model, model_params=section)
    if links:
        wrapper.share_params(links, dict.fromkeys(model, 1.0), resume=True)
    for name, tensor in wrapper.state_dict().items():
        if name != "_extra_state":
            randomize(name, tensor, rng, section)
    for k, name in enumerate(sorted(model)) if links else ():
        if section["model_dict"][name]["fitting_net"]["dim_case_embd"]:
            wrapper.model[name].set_case_embd(k)
    wrapper.train_infos |= {"step": 12, "lr": 1e-4}
    torch.save({"model": wrapper.state_dict(), "optimizer": {"state": {}}}, job["file"])
    if job.get("frozen"):
        *_, model = wrapper.model.values()
        model = model.eval().requires_grad_(False)
        torch.jit.save(torch.jit.script(model), job["frozen"])
    return job["file"]


def make_older(path: str, keys: dict, tensors: list) -> None:
    """Write a file again without what is newer than September 2024."""
    state = torch.load(path, weights_only=True)["model"]
    extra = state["_extra_state"]
    section = extra["model_params"]
    for part in section.get("model_dict", {"": section}).values():
        for block, names in keys.items():
            for name in names:
                part["descriptor"].get(block, {}).pop(name, None)
    extra["train_infos"] = {"lr": np.float64(1e-4), "step": 12}
    for name in [name for name in state if any(part in name for part in tensors)]:
        del state[name]
    torch.save({"model": state, "optimizer": {"lr": np.float32(0.5), "n": np.int64(3)}}, path)


def normalized(section: dict) -> dict:
    """The section with all defaults, as trainings have it."""
    return model_args().normalize_value(section, trim_pattern="_*")


def randomize(name: str, tensor: torch.Tensor, rng: np.random.Generator, section: dict) -> None:
    """Random numbers of the size that training gives an array of this name."""
    shape = tuple(tensor.shape)
    last = name.rsplit(".", 1)[-1]
    if not tensor.numel() or tensor.dtype not in FLOATS:
        return
    if last in ("mean", "stddev"):
        row = rng.normal(scale=0.1, size=(shape[0], 1, 2))
        row = row if last == "mean" else 0.3 + abs(row)
        row = np.repeat(row, [1, 3], axis=2)
        if last == "mean":
            row *= np.array([1, 0, 0, 0]) * (not centered(name, section))
        values = np.broadcast_to(row[..., : shape[-1]], shape)
    elif last in ("out_std", "fparam_inv_std", "aparam_inv_std"):
        values = rng.uniform(0.5, 1.5, shape)
    elif last == "case_embd" or last.startswith(("compress_", "type_embd", "min_nbor")):
        return
    elif last in ("matrix",) and len(shape) == 2:
        values = rng.normal(size=shape) * 1.4 / np.sqrt(sum(shape))
    else:
        values = rng.normal(size=shape) * 0.4
    tensor.copy_(torch.as_tensor(np.array(values), dtype=tensor.dtype))


def centered(name: str, section: dict) -> bool:
    """Whether the averages of a block of the descriptor are zero."""
    if "model_dict" in section:
        section = next(iter(section["model_dict"].values()))
    descriptor = section["descriptor"]
    for part, block in (("repformers", "repformer"), ("repinit", "repinit")):
        if f".{part}" in name:
            return descriptor[block]["set_davg_zero"]
    return descriptor.get("set_davg_zero", True)


def evaluate(path, cases, results, head, prefix="", embedding=False):
    """Energies, forces and virials of all cases."""
    # TorchScript cannot evaluate a model with atom_ener twice.
    options = {"no_jit": True} if path.endswith(".pt") else {}
    pot = DeepPot(path, **options, **({"head": head} if head else {}))
    prefix = f"{head}/" if head else prefix
    for name, case in cases.items():
        nframes, _ = case["coord"].shape[:2]
        options = {k: case[k].reshape(nframes, -1) for k in ("fparam", "aparam") if k in case}
        box = case["box"] if "box" in case else None
        values = pot.eval(
            case["coord"].reshape(nframes, -1), box, case["atype"], atomic=True, **options
        )
        keys = ("energy", "force", "virial", "atom_energy", "atom_virial")
        keys += ("hessian",) if pot.has_hessian else ()
        for key, value in zip(keys, values, strict=True):
            value = value[..., 0] if key.endswith("energy") else value
            results[f"{prefix}{name}/{key}"] = value
        if embedding:
            vectors = pot.deep_eval.eval_embedding(
                *(case["coord"].reshape(nframes, -1), box, case["atype"]), **options, dtype="fp64"
            )
            for key, value in zip(EMBEDDINGS, vectors, strict=True):
                results[f"{prefix}{name}/{key}"] = value


if __name__ == "__main__":
    main(sys.argv[1])
