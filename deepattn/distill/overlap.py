"""Detection of atoms that overlap, by their covalent radii."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from ase.neighborlist import neighbor_list


def too_close(atoms: Atoms, closest: float) -> bool:
    """Whether two atoms, or an atom and its image, are closer than allowed.

    Args:
        atoms: A frame, of which everything must be finite.
        closest: Minimum distance, as a fraction of the sum of two covalent radii.
    """
    radii = closest * covalent_radii[atoms.numbers]
    # A cell that has collapsed would have endless images within reach.
    if atoms.pbc.all() and atoms.get_volume() < 0.1 * np.sum(4 / 3 * np.pi * radii**3):
        return True
    # With a radius for each atom, pairs count whose distance is below the sum of the two.
    return bool(len(neighbor_list("i", atoms, radii)))
