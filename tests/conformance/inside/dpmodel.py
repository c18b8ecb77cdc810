"""Runs inside DeePMD-kit's Python: make, evaluate and convert ``.dp`` files in one process.

``python dpmodel.py JOBS.json``: a list of one object with any of

- ``make``: files by name, each with the ``model`` section and ``seed`` of its random weights;
- ``convert``: pairs of an input and an output file, see ``dp convert-backend``;
- ``evaluate``: a file, a ``.npz`` of ``coord [nframes, natoms, 3]``, ``box``, ``atype`` and
  perhaps ``fparam`` and ``aparam``, and the ``.npz`` to write: ``energy``, ``atom_energy`` and, of
  ``.pb`` files, ``force``.
"""

import json
import sys

import numpy as np
from deepmd.dpmodel.model.model import get_model
from deepmd.dpmodel.utils.serialization import save_dp_model
from deepmd.entrypoints.convert_backend import convert_backend
from deepmd.infer import DeepPot


def make(path: str, model: dict, seed: int) -> None:
    """A file with random weights, statistics and biases."""
    tree = get_model(json.loads(json.dumps(model))).serialize()
    rng = np.random.default_rng(seed)
    randomize(tree, rng, davg=model["descriptor"].get("set_davg_zero", True) is False)
    save_dp_model(path, {"model": tree, "model_def_script": model, "@variables": {}})


def randomize(tree, rng: np.random.Generator, *, davg: bool) -> None:
    """Replace all arrays of a tree that do not stand for units or switched off parts."""
    if isinstance(tree, list):
        for part in tree:
            randomize(part, rng, davg=davg)
    if not isinstance(tree, dict):
        return
    for key, value in tree.items():
        if key != "@variables":
            randomize(value, rng, davg=davg)
            continue
        for name, array in value.items():
            if array is None or (not np.any(array) and name in ("w", "b", "idt")):
                continue
            value[name] = numbers(name, array, rng, davg=davg)


def numbers(name: str, array, rng: np.random.Generator, *, davg: bool):
    """Random numbers of the size that training gives an array of this name."""
    if name in ("davg", "dstd"):
        row = rng.normal(scale=0.1, size=(len(array), 1, 2))
        row = row if name == "davg" else 0.3 + abs(row)
        row = np.repeat(row, [1, 3], axis=2)
        if name == "davg":
            row *= np.array([1, 0, 0, 0]) * davg
        return np.broadcast_to(row[..., : array.shape[-1]], array.shape).astype(array.dtype).copy()
    if name in ("out_std", "fparam_inv_std", "aparam_inv_std"):
        return rng.uniform(0.5, 1.5, array.shape)
    scale = 2.0 / np.sqrt(sum(array.shape)) if name == "w" and array.ndim == 2 else 0.5
    return (rng.normal(size=array.shape) * scale).astype(array.dtype)


def evaluate(model: str, cases: str, output: str) -> None:
    """Energies of all frames."""
    with np.load(cases) as given:
        case = dict(given)
    nframes = len(case["coord"])
    options = {k: case[k].reshape(nframes, -1) for k in ("fparam", "aparam") if k in case}
    values = DeepPot(model).eval(
        case["coord"].reshape(nframes, -1),
        case["box"],
        case["atype"].tolist(),
        atomic=True,
        **options,
    )
    np.savez(output, energy=values[0][:, 0], atom_energy=values[3][..., 0], force=values[1])


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        [jobs] = json.load(file)
    for path, job in jobs.get("make", {}).items():
        make(path, **job)
    for source, target in jobs.get("convert", []):
        convert_backend(INPUT=source, OUTPUT=target)
    for job in jobs.get("evaluate", []):
        evaluate(**job)
