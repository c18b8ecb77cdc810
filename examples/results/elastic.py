"""Elastic constants of cubic crystals, from labeled frames and from a model."""

from typing import NamedTuple

import numpy as np
from ase import Atoms
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS
from ase.units import GPa

# Strains of labeled frames that count, and of the model's differences.
_LARGEST = 0.04
_STEP = 2e-3
_NORMAL = ((0, 1, 2), (1, 0, 2), (2, 0, 1))
_SHEAR = ((1, 2), (0, 2), (0, 1))


class Elastic(NamedTuple):
    """A cubic crystal at rest.

    Attributes:
        a: Lattice constant, Å.
        c11, c12, c44: Elastic constants, GPa.
    """

    a: float
    c11: float
    c12: float
    c44: float

    @property
    def bulk_modulus(self) -> float:
        """GPa."""
        return (self.c11 + 2 * self.c12) / 3


def from_frames(boxes: np.ndarray, virials: np.ndarray) -> Elastic:
    """Fit stresses of strained cells, of second order in the normal strains.

    Args:
        boxes: ``[n, 3, 3]`` in Å: cells of one crystal, one of them at rest.
        virials: ``[n, 3, 3]`` in eV.
    """
    volumes = np.linalg.det(boxes)
    # σ = −virial / V, the virial being positive under compression.
    stresses = -virials / volumes[:, None, None] / GPa
    at_rest = np.argmin(np.abs(stresses).max(axis=(1, 2)))
    a = volumes[at_rest] ** (1 / 3)
    gradients = np.swapaxes(boxes, 1, 2) / a
    strains = (gradients + np.swapaxes(gradients, 1, 2)) / 2 - np.eye(3)
    near = np.abs(strains).max(axis=(1, 2)) < _LARGEST
    strains, stresses = strains[near], stresses[near]
    rows, values = [], []
    for i, j, k in _NORMAL:
        e, f, g = (strains[:, m, m] for m in (i, j, k))
        own = strains[:, i, j] ** 2 + strains[:, i, k] ** 2
        across = strains[:, j, k] ** 2
        rows.append([e, f + g, e**2, f**2 + g**2, e * (f + g), f * g, own, across, e**0])
        values.append(stresses[:, i, i])
    table = np.concatenate([np.stack(row, axis=-1) for row in rows])
    (c11, c12), *_ = np.split(np.linalg.lstsq(table, np.concatenate(values), rcond=None)[0], [2])
    shear = np.concatenate([2 * strains[:, i, j] for i, j in _SHEAR])
    answer = np.concatenate([stresses[:, i, j] for i, j in _SHEAR])
    return Elastic(float(a), float(c11), float(c12), float(shear @ answer / (shear @ shear)))


def from_model(atoms: Atoms) -> Elastic:
    """Relax a cubic cell, and take central differences of its stress.

    Args:
        atoms: A conventional cell, with a calculator.
    """
    calculator = atoms.calc
    atoms = atoms.copy()
    atoms.calc = calculator
    BFGS(FrechetCellFilter(atoms, hydrostatic_strain=True), logfile=None).run(fmax=1e-4, steps=200)

    def slope(place: tuple[int, int]) -> np.ndarray:
        stresses = []
        for sign in (1, -1):
            gradient = np.eye(3)
            gradient[place] += sign * _STEP
            strained = atoms.copy()
            strained.calc = calculator
            strained.set_cell(atoms.cell[:] @ gradient.T, scale_atoms=True)
            stresses.append(strained.get_stress(voigt=False) / GPa)
        return (stresses[0] - stresses[1]) / (2 * _STEP)

    normal, shear = slope((0, 0)), slope((0, 1))
    return Elastic(
        float(atoms.cell.volume ** (1 / 3)),
        float(normal[0, 0]),
        float((normal[1, 1] + normal[2, 2]) / 2),
        float(shear[0, 1]),
    )
