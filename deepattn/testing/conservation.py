"""Is the energy conserved when the atoms move?"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np
from ase import Atoms, units
from ase.md.verlet import VelocityVerlet

from deepattn.data.atoms import thermal_momenta

_BLOCKS = 10
# Student's t of eight degrees of freedom that one run in a thousand exceeds.
_STUDENT = 5.0
# Halving the time step divides by four what the integrator makes the energy swing by.
_SMOOTH = 2.5
# So many times as far as it swung before, the energy has run away.
_AWAY = 20.0

Track = Callable[[range], Iterable[int]]


@dataclass(frozen=True)
class Trajectory:
    """Total energies of a run at constant energy and volume.

    Attributes:
        time: Ps, ``[n]``.
        energy: Kinetic and potential energy less that of the start, eV/atom, ``[n]``.
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
    def swing(self) -> float:
        """Standard deviation of the energy about that line, eV/atom."""
        slope, _ = self.drift
        return float((self.energy - slope * self.time).std())

    @property
    def ran_away(self) -> bool:
        """Whether it ends far from where it was in the first half, or is not finite."""
        half = self.energy[: len(self.energy) // 2 + 1]
        last = np.array_split(self.energy, _BLOCKS)[-1]
        return not abs(last.mean() - half.mean()) <= _AWAY * np.ptp(half)


@dataclass(frozen=True)
class Conservation:
    """Two runs from the same start, the second with half the time step.

    Attributes:
        coarse: The first run.
        fine: The second.
    """

    coarse: Trajectory
    fine: Trajectory

    @property
    def extrapolated(self) -> Trajectory:
        """The energy at a vanishing time step.

        The integrator's error goes with the square of the step, so it cancels in
        (4 E(fine) − E(coarse)) / 3, as long as the two runs go the same way, and on average later.
        """
        energy = (4 * self.fine.energy[::2] - self.coarse.energy) / 3
        return Trajectory(self.coarse.time, energy)

    def verdict(self, limit: float) -> tuple[bool, str]:
        """Whether the energy is conserved, with the reason.

        Args:
            limit: Largest drift allowed, eV/atom/ps.
        """
        if self.coarse.ran_away or self.fine.ran_away:
            return False, "The energy diverges: the time step is too long, or the forces are wrong."
        drift, error = self.extrapolated.drift
        if not abs(drift) <= limit + _STUDENT * error:
            return False, f"The energy drifts by {drift:.1e} eV/atom/ps; {limit:g} is allowed."
        if self.coarse.swing < _SMOOTH * self.fine.swing:
            return False, (
                "Halving the time step does not reduce the energy fluctuations: the forces "
                "are not the derivative of a smooth energy, for example because of weights "
                "in float32, neighbors beyond sel, or plain attention at the cutoff."
            )
        if not abs(drift) + _STUDENT * error <= limit:
            return False, (
                f"The drift is known only to {_STUDENT * error:.0e} eV/atom/ps; run more steps."
            )
        return True, "The energy is conserved."


def check_conservation(
    atoms: Atoms,
    *,
    temperature: float,
    timestep: float,
    steps: int,
    track: Track = iter,
) -> Conservation:
    """Move atoms at constant energy, once with a time step and once with half of it.

    Args:
        atoms: Where they start, with a calculator; they are not changed.
        temperature: Of the velocities they start with, K; half of it is left when potential and
            kinetic energy have come to terms.
        timestep: fs.
        steps: Number of steps of the first run, at least ten; the second takes twice as many.
        track: Goes through the steps of a run, to show how far it is.
    """
    run = partial(constant_energy_run, atoms, temperature=temperature, track=track)
    coarse = run(timestep=timestep, steps=steps)
    fine = run(timestep=timestep / 2, steps=2 * steps)
    return Conservation(coarse, fine)


def constant_energy_run(
    atoms: Atoms,
    *,
    temperature: float,
    timestep: float,
    steps: int,
    track: Track = iter,
) -> Trajectory:
    """Move atoms by the velocity Verlet method, from the same velocities every time.

    Args:
        atoms: See `check_conservation`.
        temperature: See `check_conservation`.
        timestep: fs.
        steps: Number of steps, at least ten.
        track: See `check_conservation`.

    Returns:
        The energies of every step, the start included.
    """
    if steps < _BLOCKS:
        raise ValueError(f"steps must be at least {_BLOCKS}, not {steps}")
    moving = atoms.copy()
    moving.calc = atoms.calc
    random = np.random.default_rng(0)
    moving.set_momenta(thermal_momenta(moving.get_masses(), temperature, random))
    energies = [moving.get_total_energy()]
    with VelocityVerlet(moving, timestep=timestep * units.fs) as dynamics:
        for _ in track(range(steps)):
            dynamics.run(1)
            energies.append(moving.get_total_energy())
    energy = (np.array(energies) - energies[0]) / len(atoms)
    return Trajectory(1e-3 * timestep * np.arange(steps + 1), energy)
