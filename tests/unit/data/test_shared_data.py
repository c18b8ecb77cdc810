"""First-principles data in every layout load as they are."""

import numpy as np
import pytest

from deepattn.data import DataSet, find_systems

from .write_systems import data_config

SETS = {
    "water": (240, 80),
    "monbtaw/npy": (3735, 508),
    "monbtaw/mixed": (3735, 508),
    "hea25/mixed": (70, 10),
    "mapbi3/npy": (513, 73),
    "llzo/npy": (233, 33),
    "organic/3bpa": (697, 78),
    "organic/acac": (900, 100),
    "organic/ethanol_methanol/npy": (1170, 130),
    "organic/ethanol_methanol/mixed": (1170, 130),
    "mptrj/mixed": (608, 67),
    "alexandria/mixed": (688, 76),
    "tp/mixed": (1240, 138),
}


def _open(folder):
    names = set()
    for path in find_systems(str(folder)):
        with open(f"{path}/type_map.raw") as file:
            names.update(file.read().split())
    return DataSet(data_config(str(folder)), sorted(names), seed=1)


@pytest.mark.parametrize("name", SETS)
def test_loads(shared, name):
    for part, nframes in zip(("train", "valid"), SETS[name], strict=True):
        data = _open(shared / "data" / name / part)
        assert sum(system.nframes for system in data.systems) == nframes
        assert all(system.mixed_type == ("mixed" in name) for system in data.systems)
        assert all(system.periodic != ("organic" in name) for system in data.systems)
        inputs, labels = next(data.sampler)
        assert labels["find_energy"].all() and labels["find_force"].all()
        assert (inputs["atype"] >= 0).all()


@pytest.mark.parametrize("name", ["monbtaw", "organic/ethanol_methanol"])
def test_mixed_and_standard_twins_hold_the_same_frames(shared, name):
    """Compared by what does not depend on the order of systems and frames."""
    seen = []
    for layout in ("npy", "mixed"):
        data = _open(shared / "data" / name / layout / "train")
        rows = []
        for system in data.systems:
            inputs, labels = system.frames(range(system.nframes))
            counts = (inputs["atype"][:, :, None] == np.arange(len(data.type_map))).sum(axis=1)
            forces = np.square(labels["force"]).sum(axis=(1, 2))
            rows.append(np.column_stack([labels["energy"], forces, counts]))
        table = np.concatenate(rows)
        seen.append(table[np.lexsort(table.T)])
    np.testing.assert_allclose(*seen, rtol=1e-12, atol=1e-9)
