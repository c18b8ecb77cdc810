"""Forces and virial are derivatives of the energy."""

from __future__ import annotations

import numpy as np

from deepattn.testing.check import Check, largest
from deepattn.testing.evaluate import Evaluate, values
from deepattn.testing.frames import Frame

# Five-point central difference: error of fourth order in the step.
_OFFSETS = np.array([-2.0, -1.0, 1.0, 2.0])
_WEIGHTS = np.array([1.0, -8.0, 8.0, -1.0]) / 12.0


def check_forces(
    evaluate: Evaluate,
    frame: Frame,
    *,
    step: float = 3e-4,
    tolerance: float = 1e-7,
    max_atoms: int = 12,
) -> Check:
    """Force components against finite differences of the energy.

    Args:
        evaluate: See `evaluator`.
        frame: A configuration.
        step: Displacement of an atom, Å.
        tolerance: Largest error allowed, eV/Å.
        max_atoms: Number of atoms that are moved, spread over the whole frame.
    """
    count = min(frame.natoms, max_atoms)
    atoms = np.linspace(0, frame.natoms - 1, count).round().astype(int)
    moves = np.zeros((count, 3, frame.natoms, 3))
    for row, atom in enumerate(atoms):
        moves[row, :, atom] = np.eye(3)
    frames = [
        frame.moved(frame.coord + step * k * move)
        for move in moves.reshape(-1, frame.natoms, 3)
        for k in _OFFSETS
    ]
    energy = values(evaluate, frames).energy.reshape(-1, 4)
    expected = -(energy @ _WEIGHTS).reshape(-1, 3) / step
    force = values(evaluate, [frame]).force[0, atoms]
    error = np.abs(force - expected)
    worst, axis = np.unravel_index(np.argmax(error), error.shape)
    detail = (
        f"atom {atoms[worst]} {'xyz'[axis]}: force {force[worst, axis]:.9f}, "
        f"difference of energies {expected[worst, axis]:.9f} eV/Å"
    )
    return Check("forces", frame.name, largest(error), tolerance, "eV/Å", detail)


def check_virial(
    evaluate: Evaluate, frame: Frame, *, step: float = 3e-5, tolerance: float = 1e-6
) -> Check:
    """The virial Σ r ⊗ f against finite differences of the energy by strain, −∂E/∂ε.

    Args:
        evaluate: See `evaluator`.
        frame: A configuration.
        step: Strain.
        tolerance: Largest error allowed, eV.
    """
    frames = []
    for strain in np.eye(9).reshape(9, 3, 3):
        for k in _OFFSETS:
            deform = np.eye(3) + step * k * strain
            box = None if frame.box is None else frame.box @ deform
            frames.append(frame.moved(frame.coord @ deform, box))
    energy = values(evaluate, frames).energy.reshape(9, 4)
    expected = -(energy @ _WEIGHTS) / step
    virial = values(evaluate, [frame]).virial[0]
    error = np.abs(virial - expected)
    component = int(np.argmax(error))
    detail = (
        f"component {'xyz'[component // 3]}{'xyz'[component % 3]}: virial {virial[component]:.9f}, "
        f"difference of energies {expected[component]:.9f} eV"
    )
    return Check("virial", frame.name, largest(error), tolerance, "eV", detail)


def check_atom_energies(evaluate: Evaluate, frame: Frame, *, tolerance: float = 1e-11) -> Check:
    """Atomic energies add up to the energy (tolerance in eV per atom)."""
    result = values(evaluate, [frame])
    error = abs(result.atom_energy.sum() - result.energy[0]) / frame.natoms
    return Check("sum of atom energies", frame.name, error, tolerance, "eV/atom")
