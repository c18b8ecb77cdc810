"""Runs inside DeePMD-kit's Python: files of models, and what these say of frames.

``python dpa2.py JOBS.json``: a list of ``{"file": dp, "cases": npz, "output": npz}``. With
``"model"``, a section of an input, and ``"seed"`` the file is written first, with random weights,
statistics and biases. The cases are those of ``evaluate.py``; the output gets ``<name>/energy`` and
``/atom_energy`` in eV and, of files that are written, ``statistics/<path>`` of the arrays that
follow from the periodic cases without virtual atoms, by their paths in the tree.
"""

import json
import sys

import numpy as np
from cases import read_cases
from deepmd.dpmodel.model.base_model import BaseModel
from deepmd.dpmodel.model.model import get_model
from deepmd.dpmodel.utils.serialization import load_dp_model, save_dp_model


def main(jobs: str) -> None:
    with open(jobs) as file:
        for job in json.load(file):
            cases, results = read_cases(job["cases"]), {}
            if "model" in job:
                model = randomized(get_model(job["model"]), np.random.default_rng(job["seed"]))
                save_dp_model(job["file"], {"model": model.serialize(), "model_def_script": {}})
                periodic = [
                    case for case in cases.values() if "box" in case and np.all(case["atype"] >= 0)
                ]
                for name, array in statistics_of(model, periodic):
                    results[f"statistics/{name}"] = array
            model = BaseModel.deserialize(load_dp_model(job["file"])["model"])
            for name, case in cases.items():
                options = {key: case.get(key) for key in ("box", "fparam", "aparam")}
                values = model.call(case["coord"], case["atype"], **options)
                results[f"{name}/energy"] = values["energy"][:, 0]
                results[f"{name}/atom_energy"] = values["atom_energy"][:, :, 0]
            np.savez(job["output"], **results)


def statistics_of(model, samples):
    """Pairs of path and array of the input statistics of the samples."""
    descriptor, pairs = model.atomic_model.descriptor, model.atomic_model.pair_exclude_types
    further = {"natoms": None, "pair_exclude_types": pairs}
    descriptor.compute_input_stats([{**sample, **further} for sample in samples])
    for name, array in arrays_of(descriptor.serialize(), "descriptor"):
        if name.endswith(("davg", "dstd")):
            yield name, array


def arrays_of(tree, path=""):
    """Pairs of path, ``@variables`` left out, and array."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from arrays_of(value, path if key == "@variables" else f"{path}/{key}")
    elif isinstance(tree, list):
        for k, value in enumerate(tree):
            yield from arrays_of(value, f"{path}/{k}")
    elif isinstance(tree, np.ndarray):
        yield path.removeprefix("/"), tree


def randomized(model, rng):
    """The model with statistics as they are of data, with scattered biases and normalizations."""
    tree = model.serialize()
    descriptor, fitting = tree["descriptor"], tree["fitting"]
    for name, block in descriptor.items():
        if name.endswith("_variable"):
            arguments = "repformer_args" if name.startswith("repformers") else "repinit_args"
            centered = descriptor[arguments]["set_davg_zero"]
            set_statistics(block["@variables"], rng, centered=centered)
    for layer in descriptor["repformers_variable"]["repformer_layers"]:
        if "attn2_lm" in layer:
            for array in layer["attn2_lm"]["@variables"].values():
                array += rng.normal(scale=0.1, size=array.shape)
    arrays = fitting["@variables"]
    arrays["bias_atom_e"] = rng.normal(size=arrays["bias_atom_e"].shape)
    for name, array in arrays.items():
        if array is not None and name.startswith(("fparam", "aparam")):
            arrays[name] = rng.uniform(0.5, 2.0, array.shape)
    return type(model).deserialize(tree)


def set_statistics(arrays, rng, *, centered):
    """The same in every slot; angular averages zero."""
    ntypes, nnei, _ = arrays["dstd"].shape
    spread = rng.uniform(0.1, 0.3, (ntypes, 1, 2))[..., [0, 1, 1, 1]]
    arrays["dstd"] = np.tile(spread, (1, nnei, 1))
    mean = rng.uniform(0.05, 0.1, (ntypes, 1, 1)) * np.array([not centered, 0.0, 0.0, 0.0])
    arrays["davg"] = np.tile(mean, (1, nnei, 1))


if __name__ == "__main__":
    main(sys.argv[1])
