"""Good files of every kind, small; a program, since a process that forks must not use TensorFlow.

Usage: ``python -m tests.attack.seeds FOLDER``
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import h5py
import lmdb
import msgpack
import numpy as np

from deepattn.config import normalize
from deepattn.export import convert, freeze
from deepattn.formats.checkpoint import write_arrays
from deepattn.formats.convert_from import convert_graph
from deepattn.formats.torch import TorchFile, TorchModel, encode_torch
from deepattn.statistics.env_mat import EnvMatShape, EnvMatSums
from deepattn.statistics.stat_file import StatFile
from deepattn.uncertainty import Calibration, Moments, Uncertainty, write_uncertainty

from ..small_models import TYPE_MAP, model_section, small_model
from ..torch_archives import freeze_checkpoint

INPUT = {
    "model": model_section(),
    "learning_rate": {"type": "exp", "start_lr": 1e-3, "stop_lr": 1e-8, "decay_steps": 10},
    "loss": {"type": "ener"},
    "training": {
        "training_data": {"systems": ["."], "batch_size": "auto"},
        "numb_steps": 1,
        "seed": 1,
    },
}
SHAPE = EnvMatShape(ntypes=2, sel=(10,), rcut=3.0, rcut_smth=0.5, mixed_types=True)
NFRAMES, NATOMS = 2, 4


def main(folder: Path) -> None:
    """Write all of them."""
    folder.mkdir(exist_ok=True)
    _system(folder)
    _hdf5(folder / "data.hdf5")
    _lmdb(folder / "data.lmdb")
    _texts(folder)
    (folder / "input.json").write_text(json.dumps(INPUT, indent=1))
    (folder / "input.yaml").write_text(json.dumps(INPUT, indent=1).replace('"', ""))
    _models(folder)
    for name in ("stat.h5", "stat"):
        cache = StatFile(folder / name, TYPE_MAP)
        sums = np.arange(1.0, 5).reshape(2, 2)
        cache.write_env_mat(SHAPE, EnvMatSums(np.ones(2), sums, sums))
        cache.write_bias(np.array([-1.0, 2.0]), 0.1, [0, 1])
        cache.write({"fparam": np.ones((2, 3))})


def _arrays() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {
        "coord": random.uniform(0, 6, (NFRAMES, 3 * NATOMS)),
        "box": np.tile(6 * np.eye(3).ravel(), (NFRAMES, 1)),
        "energy": random.normal(size=NFRAMES),
        "force": random.normal(size=(NFRAMES, 3 * NATOMS)),
    }


def _system(folder: Path) -> None:
    (folder / "system" / "set.000").mkdir(parents=True)
    for name, array in _arrays().items():
        np.save(folder / "system" / "set.000" / f"{name}.npy", array)
    (folder / "system" / "type.raw").write_text("0 1 1 0\n")
    (folder / "system" / "type_map.raw").write_text("O H\n")


def _hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["type.raw"] = np.array([0, 1, 1, 0])
        file.create_dataset("type_map.raw", data=TYPE_MAP, dtype=h5py.string_dtype())
        for name, array in _arrays().items():
            options = {"compression": "gzip"} if name == "force" else {}
            file.create_dataset(f"set.000/{name}.npy", data=array, **options)


def _lmdb(path: Path) -> None:
    def packed(array):
        data = {"type": array.dtype.str, "shape": list(array.shape), "data": array.tobytes()}
        return {"nd": True, **data}

    random = np.random.default_rng(0)
    with lmdb.open(str(path), map_size=1 << 24) as file, file.begin(write=True) as writer:
        for number in range(60):
            natoms = NATOMS if number % 2 else 100
            frame = {
                "coords": packed(random.uniform(0, 9, (natoms, 3))),
                "cells": packed(9 * np.eye(3)),
                "energies": packed(np.array([-1.0])),
                "atom_types": packed(np.zeros(natoms, np.int64)),
            }
            writer.put(format(number, "012d").encode(), msgpack.packb(frame))
        header = {"nframes": 60, "frame_idx_fmt": "012d", "type_map": TYPE_MAP}
        writer.put(b"__metadata__", msgpack.packb(header))
    (path / "lock.mdb").unlink(missing_ok=True)


def _texts(folder: Path) -> None:
    rows = [f"{'OHHO'[k]} {k}.5 {k}.0 1.5 0.1 0.2 {k}.3" for k in range(NATOMS)]
    head = 'Lattice="9 0 0 0 9 0 0 0 9" Properties=species:S:1:pos:R:3:forces:R:3 energy=-1.5'
    (folder / "frames.extxyz").write_text("\n".join([str(NATOMS), head, *rows, ""]) * 2)
    atoms = [f"{k + 1} {k % 2 + 1} {k}.5 {k}.0 1.5" for k in range(NATOMS)]
    box = ["ITEM: BOX BOUNDS pp pp pp", "0 9", "0 9", "0 9"]
    frame = ["ITEM: TIMESTEP", "0", "ITEM: NUMBER OF ATOMS", str(NATOMS), *box]
    frame += ["ITEM: ATOMS id type x y z", *atoms, ""]
    (folder / "frames.dump").write_text("\n".join(frame) * 2)


def _models(folder: Path) -> None:
    script = normalize(INPUT)
    model = small_model()
    freeze(model, folder / "model.pb", training_script=script, min_nbor_dist=0.9)
    convert_graph(folder / "model.pb", folder / "model.pbtxt")
    arrays = {f"weights/{name}": array for name, array in model.get_arrays().items()}
    header = {"config": script, "interface_dtype": "float64", "min_nbor_dist": 0.9, "step": 3}
    write_arrays(folder / "model.ckpt.h5", arrays, header)
    plain = normalize({**INPUT, "model": model_section({"attn_layer": 0})})
    arrays = small_model({"attn_layer": 0}).get_arrays()
    weights = {f"weights/{name}": array for name, array in arrays.items()}
    write_arrays(folder / "plain.ckpt.h5", weights, {**header, "config": plain})
    model.save(folder / "model.keras")
    for name in ("model.dp", "model.yaml", "model.savedmodeltf", "model.pt"):
        convert(folder / "plain.ckpt.h5", folder / name)
    write_uncertainty(folder / "model.uncertainty", _uncertainty())
    content = (folder / "model.pt").read_bytes()
    (folder / "model.pth").write_bytes(freeze_checkpoint(content))
    file = TorchFile(content, "model.pt")
    (folder / "tasks.pt").write_bytes(encode_torch(_tasks(file.model())))


def _uncertainty() -> Uncertainty:
    random = np.random.default_rng(0)
    basis, atype = random.normal(size=(12, 4)).astype(np.float32), np.arange(40) % 2
    moments = Moments(basis, 2)
    moments.add(random.normal(size=(40, 12)), atype)
    calibration = Calibration(np.ones(2), 0.5, 0.5, 0.1)
    distance = moments.distance()
    return Uncertainty("0" * 64, None, tuple(TYPE_MAP), distance, calibration, {"atoms": 40})


def _tasks(model: TorchModel) -> dict[str, Any]:
    """Two branches with the weights of one model."""
    arrays = {name: model.array(name) for name in model.tensors}
    state: dict[str, Any] = {
        f"model.{branch}.{name}": array for branch in "ab" for name, array in arrays.items()
    }
    sections = {branch: {**model.section, "model_branch_alias": [branch * 3]} for branch in "ab"}
    state["_extra_state"] = {"model_params": {"model_dict": sections}, "train_infos": {"step": 1}}
    return {"model": state, "optimizer": {"state": {0: {"step": 1.0}}, "param_groups": []}}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
