"""The structures that a distillation starts from, and their strained and perturbed copies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms

from deepattn.data.atoms import read_atoms
from deepattn.distill.config import RoundsConfig
from deepattn.distill.overlap import too_close
from deepattn.errors import DataError

# How often a copy whose atoms are too close is drawn again.
_TRIES = 20


def read_structures(config: RoundsConfig) -> list[Atoms]:
    """Read the structures, select evenly spaced ones, and repeat their cells.

    Raises:
        DataError: One is partly periodic, or has atoms too near each other.
    """
    found = [(path, atoms) for path in config.systems for atoms in read_atoms(path)]
    count = min(config.structures, len(found))
    chosen = [found[index] for index in np.linspace(0, len(found) - 1, count).round().astype(int)]
    structures = []
    for path, atoms in chosen:
        if atoms.pbc.any() and not (atoms.pbc.all() and atoms.cell.rank == 3):
            raise DataError(
                f"{path}: has a structure that is periodic in some directions only; "
                "make it periodic in all, with a vacuum, or in none"
            )
        clean = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
        if clean.pbc.all():
            clean = clean.repeat(config.supercell)
        if too_close(clean, config.closest):
            raise DataError(
                f"{path}: a structure has atoms closer than {config.closest:g} times the sum "
                f"of their covalent radii; remove it, or lower {config.path}/closest"
            )
        structures.append(clean)
    return structures


def elements_of(structures: Sequence[Atoms]) -> list[str]:
    """Names of all elements, sorted alphabetically."""
    return sorted({symbol for atoms in structures for symbol in atoms.get_chemical_symbols()})


def perturbed_copies(
    structures: Sequence[Atoms],
    *,
    copies: int,
    displacement: float,
    strain: float,
    closest: float,
    seed: int,
) -> list[Atoms]:
    """Strain the cells and displace the atoms.

    Args:
        structures: Structures to copy.
        copies: Of each structure.
        displacement: Standard deviation of each component of the displacements, Å.
        strain: Largest component of the symmetric strain.
        closest: See `too_close`; a copy with closer atoms is drawn again.
        seed: Of the random numbers.

    Returns:
        The copies; fewer than requested if no draw was acceptable.
    """
    random = np.random.default_rng(seed)
    made = []
    for atoms in structures:
        for _ in range(copies):
            for _ in range(_TRIES):
                copy = _perturbed(atoms, displacement, strain, random)
                if not too_close(copy, closest):
                    made.append(copy)
                    break
    return made


def _perturbed(
    atoms: Atoms, displacement: float, strain: float, random: np.random.Generator
) -> Atoms:
    copy = atoms.copy()
    if copy.pbc.all():
        tensor = random.uniform(-strain, strain, (3, 3))
        copy.set_cell(copy.cell @ (np.eye(3) + (tensor + tensor.T) / 2), scale_atoms=True)
    copy.positions += random.normal(scale=displacement, size=copy.positions.shape)
    copy.info = {"origin": "perturbed"}
    return copy
