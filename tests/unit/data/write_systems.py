"""Small systems on disk, made of random numbers."""

from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np


def data_config(systems, **changes):
    """The data section of a configuration with its defaults."""
    defaults = {
        "rglob_patterns": None,
        "batch_size": "auto",
        "auto_prob": "prob_sys_size",
        "sys_probs": None,
    }
    return SimpleNamespace(**{"systems": systems, **defaults, **changes})


def arrays(nframes, natoms, *, seed=0, periodic=True):
    """Coordinates and labels of random frames."""
    random = np.random.default_rng(seed)
    made = {
        "coord": random.uniform(0, 10, (nframes, 3 * natoms)),
        "energy": random.normal(size=nframes),
        "force": random.normal(size=(nframes, 3 * natoms)),
        "virial": random.normal(size=(nframes, 9)),
    }
    if periodic:
        made["box"] = np.tile(10 * np.eye(3).ravel(), (nframes, 1))
    return made


def write_system(folder, *, types=(0, 1, 1), names=("O", "H"), sets=(5,), mixed=False, **options):
    """Write a system; gives its folder and the arrays of each set."""
    folder = Path(folder)
    folder.mkdir(parents=True)
    seed, periodic = options.pop("seed", 0), options.pop("periodic", True)
    raw = [0] * len(types) if mixed else types
    (folder / "type.raw").write_text(" ".join(map(str, raw)))
    if names is not None:
        (folder / "type_map.raw").write_text("\n".join(names))
    if not periodic:
        (folder / "nopbc").touch()
    content = []
    for index, nframes in enumerate(sets):
        made = arrays(nframes, len(types), seed=seed + index, periodic=periodic)
        if mixed:
            made["real_atom_types"] = np.tile(np.array(types, np.int32), (nframes, 1))
        made.update({key: np.array(value) for key, value in options.items()})
        (folder / f"set.{index:03d}").mkdir()
        for key, value in made.items():
            np.save(folder / f"set.{index:03d}" / f"{key}.npy", value)
        content.append(made)
    return folder, content


def to_hdf5(folder, file, group):
    """Copy a system into a group of an HDF5 file."""
    folder = Path(folder)
    with h5py.File(file, "a") as handle:
        parent = handle.require_group(group)
        words = (folder / "type.raw").read_text().split()
        parent["type.raw"] = np.array([int(word) for word in words])
        if (folder / "type_map.raw").exists():
            names = (folder / "type_map.raw").read_text().split()
            parent["type_map.raw"] = np.array(names, dtype="S")
        if (folder / "nopbc").exists():
            parent["nopbc"] = True
        for path in folder.glob("set.*/*.npy"):
            parent[f"{path.parent.name}/{path.name}"] = np.load(path)
