"""One molecular dynamics run at a temperature and, optionally, a pressure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator
from ase.md.langevinbaoab import LangevinBAOAB

from deepattn.data.atoms import thermal_momenta
from deepattn.distill.overlap import too_close
from deepattn.errors import DataError

# Time constants of thermostat and barostat, fs.
T_TAU = 100.0
P_TAU = 1000.0
# Atoms that get hotter have fallen into a hole of the potential: so many times what was asked for,
# and so much more, K, which structures that are not relaxed may release.
_HOT = 5.0
_RELEASED = 2000.0
# A volume that has changed by this factor has run away.
GROWN = 2.0
# Why a run ends before its time.
NOT_FINITE, TOO_HOT = "no finite energy", "too hot"
DIVERGED, TOO_CLOSE = "the volume diverged", "atoms too close"


@dataclass(frozen=True)
class Condition:
    """Temperature (K) and pressure (GPa); a pressure of None keeps the cell."""

    temperature: float
    pressure: float | None


@dataclass
class Trajectory:
    """Frames and end of a run.

    Attributes:
        frames: The frames, each with its condition and step in ``info``.
        stopped: Why the run ended before its time, or an empty string.
    """

    frames: list[Atoms]
    stopped: str = ""


def run_dynamics(
    atoms: Atoms,
    calculator: Calculator,
    condition: Condition,
    *,
    timestep: float,
    steps: int,
    every: int,
    closest: float,
    seed: int | Sequence[int],
    tick: Callable[[], None] = lambda: None,
) -> Trajectory:
    """Run dynamics with thermal initial velocities, until the end or an unphysical state.

    ASE's Langevin integrator (BAOAB), with a barostat that changes the volume and not the shape.
    A run ends early, without an error, when atoms come too near, when they get much hotter than
    asked for, when the volume has doubled or halved, or when the model has no numbers for them.

    Args:
        atoms: Where they start; they are not changed.
        calculator: Potential that moves them.
        condition: Temperature and pressure.
        timestep: fs.
        steps: Number of steps.
        every: Steps from one frame kept to the next.
        closest: See `too_close`; checked in every frame that is kept.
        seed: Of velocities and thermostat.
        tick: Called after every step.
    """
    moving = atoms.copy()
    moving.info = {}
    moving.calc = calculator
    random = np.random.default_rng(seed)
    moving.set_momenta(thermal_momenta(moving.get_masses(), condition.temperature, random))
    volume = moving.get_volume() if moving.pbc.all() else None
    trajectory = Trajectory([])
    try:
        dynamics = LangevinBAOAB(
            moving,
            timestep * units.fs,
            temperature_K=condition.temperature,
            T_tau=T_TAU * units.fs,
            rng=random,
            **({} if condition.pressure is None else _barostat(condition.pressure, len(moving))),
        )
        for step in range(1, steps + 1):
            dynamics.run(1)
            tick()
            trajectory.stopped = fault(moving, condition.temperature, volume)
            if not trajectory.stopped and step % every == 0 and too_close(moving, closest):
                trajectory.stopped = TOO_CLOSE
            if trajectory.stopped:
                break
            if step % every == 0:
                trajectory.frames.append(kept_frame(moving, condition, step))
    except DataError:
        trajectory.stopped = NOT_FINITE
    return trajectory


def hottest(temperature: float) -> float:
    """Temperature that ends a run, K.

    Args:
        temperature: That of the thermostat, K.
    """
    return _HOT * temperature + _RELEASED


def fault(atoms: Atoms, temperature: float, volume: float | None) -> str:
    """Reason to stop a run, or an empty string.

    Args:
        atoms: As they are.
        temperature: That of the thermostat, K.
        volume: Of the cell at the start, Å³; None for open boundaries.
    """
    if not np.isfinite(atoms.positions).all() or not np.isfinite(atoms.cell.array).all():
        return NOT_FINITE
    if atoms.get_temperature() > hottest(temperature):
        return TOO_HOT
    if volume is not None and not 1 / GROWN < atoms.get_volume() / volume < GROWN:
        return DIVERGED
    return ""


def kept_frame(atoms: Atoms, condition: Condition, step: int) -> Atoms:
    """A frame of a run, with its condition and step in ``info``."""
    frame = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    frame.info = {"temperature": condition.temperature, "step": step}
    if condition.pressure is not None:
        frame.info["pressure"] = condition.pressure
    return frame


def _barostat(pressure: float, natoms: int) -> dict:
    """Arguments of the integrator; the mass is that of its own rule, of which it would warn."""
    period = P_TAU / 4 / 1.66
    return {
        "externalstress": -pressure * units.GPa,
        "hydrostatic": True,
        "P_tau": P_TAU * units.fs,
        "P_mass": period**2 * natoms ** (1 / 3),
    }
