"""Is the energy conserved when the atoms move?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from ase import Atoms, units
from ase.md.verlet import VelocityVerlet

_BLOCKS = 10


@dataclass(frozen=True)
class Trajectory:
    """Total energies of a run at constant energy and volume.

    Attributes:
        time: ps, ``[n]``.
        energy: kinetic and potential energy less that of the start, eV/atom, ``[n]``.
    """

    time: np.ndarray
    energy: np.ndarray

    @property
    def drift(self) -> tuple[float, float]:
        """Slope of the energy and its standard error, eV/atom/ps.

        A line is fitted to the means of ten stretches, so that what swings within one is no error.
        """
        blocks = np.array_split(np.arange(len(self.time)), _BLOCKS)
        time = np.array([self.time[block].mean() for block in blocks])
        energy = np.array([self.energy[block].mean() for block in blocks])
        away = time - time.mean()
        slope = float(away @ energy / (away @ away))
        rest = energy - energy.mean() - slope * away
        return slope, float(np.sqrt(rest @ rest / (_BLOCKS - 2) / (away @ away)))

    @property
    def fluctuation(self) -> float:
        """Standard deviation of the energy about that line, eV/atom."""
        slope, _ = self.drift
        rest = self.energy - slope * self.time
        return float(rest.std())


def constant_energy_run(
    atoms: Atoms,
    *,
    temperature: float,
    timestep: float,
    steps: int,
    seed: int = 0,
    progress: Callable[[int], object] = lambda step: None,
) -> Trajectory:
    """Move atoms by the velocity Verlet method.

    Args:
        atoms: where they start, with a calculator; they are not changed.
        temperature: of the velocities they start with, K; half of it is left when potential and
            kinetic energy have come to terms.
        timestep: fs.
        steps: number of steps, at least ten.
        seed: of the velocities.
        progress: called after every step with its number.

    Returns:
        The energies of every step, the start included.
    """
    if steps < _BLOCKS:
        raise ValueError(f"steps must be at least {_BLOCKS}, not {steps}")
    moving = atoms.copy()
    moving.calc = atoms.calc
    moving.set_momenta(_momenta(moving.get_masses(), temperature, seed))
    energies = [moving.get_total_energy()]
    with VelocityVerlet(moving, timestep=timestep * units.fs) as dynamics:
        for step in range(1, steps + 1):
            dynamics.run(1)
            energies.append(moving.get_total_energy())
            progress(step)
    energy = (np.array(energies) - energies[0]) / len(atoms)
    return Trajectory(1e-3 * timestep * np.arange(steps + 1), energy)


def _momenta(masses: np.ndarray, temperature: float, seed: int) -> np.ndarray:
    """Momenta of a temperature (K) that add up to none, in ASE's units, ``[natoms, 3]``."""
    random = np.random.default_rng(seed)
    width = np.sqrt(masses * units.kB * temperature)
    momenta = width[:, None] * random.normal(size=(len(masses), 3))
    return momenta - masses[:, None] * momenta.sum(axis=0) / masses.sum()
