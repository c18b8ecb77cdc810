"""The pairs of near atoms are those of ASE's list."""

import numpy as np
import pytest
from ase import Atoms
from ase.neighborlist import neighbor_list

from deepattn.check.neighbors import neighbor_pairs


@pytest.mark.parametrize("cutoff", [2.0, 5.0])
@pytest.mark.parametrize(
    ("natoms", "pbc"),
    [(1, True), (1, False), (2, True), (5, (0, 0, 1)), (7, (1, 0, 1)), (30, False), (32, True)],
)
def test_pairs_are_those_of_ase(natoms, pbc, cutoff):
    random = np.random.default_rng(natoms)
    cell = np.eye(3) * (12 * natoms) ** (1 / 3) + random.normal(size=(3, 3)) / 2
    # Some atoms lie outside of the cell.
    position = 3 * random.random((natoms, 3)) @ cell - 4
    atoms = Atoms(f"H{natoms}", positions=position, cell=cell, pbc=pbc)
    ours = _sorted(*neighbor_pairs(atoms, cutoff))
    np.testing.assert_allclose(ours, _sorted(*neighbor_list("ijdD", atoms, cutoff)), atol=1e-9)


def _sorted(i, j, distance, vector):
    rows = np.column_stack([i, j, distance, vector])
    return rows[np.lexsort(np.round(rows, 6).T)]
