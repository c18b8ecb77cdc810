"""A crystal of tungsten by a model and by labels: at rest, and under strain."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator
from command import check_folder
from elastic import from_model

from deepattn.data import System
from deepattn.data.atoms import read_atoms

CELLS = tuple(f"monbtaw/npy/{part}/unary/W2" for part in ("train", "valid"))
# Of which components of the strain there are frames without any other: one normal, one shear.
MODES = {"normal": (2, 2), "shear": (1, 2)}
# Strains below are rounding errors of the labeled cells.
_NONE = 5e-4


@dataclass(frozen=True)
class Strained:
    """Labeled cells of two atoms.

    Attributes:
        atoms: The cells.
        energies: Their labels, eV, ``[n]``.
        strains: Relative to the cell at rest, ``[n, 3, 3]``.
    """

    atoms: list[Atoms]
    energies: np.ndarray
    strains: np.ndarray

    def modes(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """By mode, its strains in rising order and the numbers of their cells."""
        found = {}
        for name, (i, j) in MODES.items():
            others = self.strains.copy()
            others[:, i, j] = others[:, j, i] = 0
            alone = np.flatnonzero(np.abs(others).max(axis=(1, 2)) < _NONE)
            order = alone[np.argsort(self.strains[alone, i, j])]
            found[name] = self.strains[order, i, j], order
        return found

    def curves(self, energies: np.ndarray) -> dict[str, list[float]]:
        """Energies above that of the cell at rest by mode, meV/atom.

        Args:
            energies: Of all cells, eV, ``[n]``.
        """
        above = 1000 * (energies - energies[_at_rest(self.strains)]) / 2
        return {name: above[cells].round(2).tolist() for name, (_, cells) in self.modes().items()}


def read_strained(data: Path) -> Strained:
    """The labeled cells of two atoms."""
    atoms, energies = [], []
    for part in CELLS:
        folder = check_folder(data / part, "give the folder of the data with --data")
        atoms += read_atoms(folder)
        system = System(str(folder))
        energies.append(system.load("energy", range(system.nframes)).ravel())
    labels = np.concatenate(energies)
    boxes = np.array([frame.cell[:] for frame in atoms])
    rest = boxes[np.argmin(labels)]
    gradients = np.swapaxes(np.linalg.solve(rest, boxes), 1, 2)
    return Strained(atoms, labels, (gradients + np.swapaxes(gradients, 1, 2)) / 2 - np.eye(3))


def energies_of(calculator: Calculator, frames: Strained) -> np.ndarray:
    """Energies of all cells by a model, eV, ``[n]``."""
    found = []
    for atoms in frames.atoms:
        atoms = atoms.copy()
        atoms.calc = calculator
        found.append(atoms.get_potential_energy())
    return np.array(found)


def crystal(a: float) -> Atoms:
    """A perfect crystal of 54 atoms with a lattice constant in Å."""
    return bulk("W", "bcc", a=a, cubic=True) * (3, 3, 3)


def at_rest(calculator: Calculator) -> dict:
    """Elastic constants by a model, and the largest force in its perfect crystal, eV/Å."""
    cell = bulk("W", "bcc", a=3.19, cubic=True)
    cell.calc = calculator
    elastic = from_model(cell)
    atoms = crystal(elastic.a)
    atoms.calc = calculator
    return {
        "elastic": elastic._asdict(),
        "force_at_rest": float(f"{np.abs(atoms.get_forces()).max():.2g}"),
    }


def _at_rest(strains: np.ndarray) -> int:
    return int(np.abs(strains).max(axis=(1, 2)).argmin())
