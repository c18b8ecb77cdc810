"""A training small enough to run in a test: two systems and a tiny model."""

import json
from pathlib import Path

import numpy as np

from deepattn.formats.checkpoint import read_checkpoint
from deepattn.train import train

TYPE_MAP = ["O", "H"]


def write_system(folder, types, nframes, *, seed=0, periodic=True, without=(), mixed=False):
    """Random frames with labels; returns the folder as a string."""
    rng = np.random.default_rng(seed)
    data = folder / "set.000"
    data.mkdir(parents=True)
    natoms = len(types)
    stored = np.zeros(natoms, int) if mixed else types
    (folder / "type.raw").write_text("\n".join(map(str, stored)) + "\n")
    (folder / "type_map.raw").write_text("\n".join(TYPE_MAP) + "\n")
    grid = np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), -1).reshape(-1, 3) * 1.6
    coord = grid[:natoms] + rng.uniform(-0.15, 0.15, (nframes, natoms, 3))
    arrays = {
        "coord": coord.reshape(nframes, -1),
        "energy": rng.normal(size=nframes) * 0.1 - 2.0 * natoms,
        "force": rng.normal(size=(nframes, natoms * 3)),
        "virial": rng.normal(size=(nframes, 9)),
    }
    if periodic:
        arrays["box"] = np.tile(np.eye(3).ravel() * 5.0, (nframes, 1))
    else:
        (folder / "nopbc").touch()
    if mixed:
        arrays["real_atom_types"] = np.tile(types, (nframes, 1))
    for name, array in arrays.items():
        if name not in without:
            np.save(data / f"{name}.npy", array)
    return str(folder)


def write_finetuning(systems, finetune=None, **settings):
    """Write ``input.json`` with a section ``training/finetune``."""
    rate = {"start_lr": 0.01, "decay_rate": 0.5, "decay_steps": 4}
    data = make_input(systems, rate=rate, **settings)
    if finetune is not None:
        data["training"]["finetune"] = finetune
    Path("input.json").write_text(json.dumps(data))


def make_input(
    systems, *, valid=None, model=None, descriptor=None, loss=None, rate=None, **training
):
    """A complete input as a dictionary."""
    data = {"systems": systems, "batch_size": 2}
    section = {
        "training_data": data,
        "numb_steps": 12,
        "disp_freq": 4,
        "save_freq": 5,
        "seed": 7,
        **training,
    }
    if valid is not None:
        section["validation_data"] = {"systems": valid, "batch_size": 1, "numb_btch": 2}
    return {
        "model": {
            "type_map": TYPE_MAP,
            "type_embedding": {"neuron": [2]},
            "descriptor": {
                "type": "se_atten",
                "sel": 12,
                "rcut": 2.4,
                "rcut_smth": 0.6,
                "neuron": [3, 6],
                "axis_neuron": 2,
                "attn": 4,
                "attn_layer": 0,  # attention triples the time of tracing
                **(descriptor or {}),
            },
            "fitting_net": {"neuron": [5, 5]},
            **(model or {}),
        },
        "learning_rate": {"start_lr": 1e-3, "stop_lr": 1e-5, "decay_steps": 3, **(rate or {})},
        "loss": loss or {},
        "training": section,
    }


def run(folder, *args, start=None, **kwargs):
    """Train in a folder, the working one, from the input of `make_input`; returns the trainer.

    Args:
        folder: Where the input is written.
        *args: Of `make_input`.
        start: Keyword arguments of `train`.
        **kwargs: Of `make_input`.
    """
    (folder / "input.json").write_text(json.dumps(make_input(*args, **kwargs)))
    return train("input.json", **(start or {}))


def assert_equal_checkpoints(first, second):
    """Every array, the step and the places in the data are the same."""
    arrays, header = read_checkpoint(first)
    others, other_header = read_checkpoint(second)
    assert set(arrays) == set(others)
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, others[name], err_msg=name)
    for key in ("step", "sampler", "validation_sampler"):
        assert header[key] == other_header[key]
