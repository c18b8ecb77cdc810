"""Exploration: molecular dynamics over all temperatures and pressures, many runs at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import NamedTuple

import numpy as np
from ase import Atoms

from deepattn.distill.config import ExploreConfig
from deepattn.distill.dynamics import Condition, Trajectory, run_dynamics
from deepattn.distill.lockstep import BatchedEvaluator, run_in_lockstep
from deepattn.distill.potential import Potential
from deepattn.progress import counted


class Run(NamedTuple):
    """One run of an exploration.

    Attributes:
        number: Its number.
        atoms: Where it starts.
        condition: Temperature and pressure.
        seed: Of velocities and thermostat.
    """

    number: int
    atoms: Atoms
    condition: Condition
    seed: tuple[int, ...]


@dataclass(frozen=True)
class Explored:
    """Results of an exploration.

    Attributes:
        frames: Frames of all runs, one run after another.
        runs: Number of runs.
        stopped: How many of them ended early, by reason.
        atom_steps: Number of atoms evaluated, without the first step.
        seconds: Time of these evaluations.
    """

    frames: list[Atoms]
    runs: int
    stopped: dict[str, int]
    atom_steps: int
    seconds: float


def explore(
    potential: Potential,
    structures: Sequence[Atoms],
    config: ExploreConfig,
    *,
    steps: int,
    every: int,
    closest: float,
    seed: int | Sequence[int],
    title: str,
    numbers: Sequence[int] | None = None,
) -> Explored:
    """Move structures at all conditions, ``config.runs`` of them at each.

    Args:
        potential: Potential that moves them.
        structures: Where runs start, each in as many runs as the others.
        config: Conditions, number of runs and time step.
        steps: Steps of each run.
        every: Steps from one frame kept to the next.
        closest: See `too_close`.
        seed: Of velocities and thermostats.
        title: Title of the progress line.
        numbers: Of the runs that are wanted; None for all.
    """
    planned = planned_runs(structures, config, seed)
    wanted = planned if numbers is None else [planned[number] for number in numbers]
    evaluator = BatchedEvaluator(potential, len(wanted))
    with counted(steps * len(wanted), title) as tick:
        runs = [
            partial(
                run_dynamics,
                run.atoms,
                condition=run.condition,
                timestep=config.timestep,
                steps=steps,
                every=every,
                closest=closest,
                seed=run.seed,
                tick=tick,
            )
            for run in wanted
        ]
        trajectories: list[Trajectory] = run_in_lockstep(evaluator, runs)
    return explored_by(wanted, trajectories, evaluator.atoms, evaluator.seconds)


def planned_runs(
    structures: Sequence[Atoms], config: ExploreConfig, seed: int | Sequence[int]
) -> list[Run]:
    """All runs of an exploration, in the order of their numbers.

    Args:
        structures, config, seed: As for `explore`.
    """
    conditions = _conditions(config)
    # Every structure as often as the others, and the same ones for teacher and students.
    picks = np.random.default_rng(0).permutation(np.arange(len(conditions)) % len(structures))
    streams = [seed] if isinstance(seed, int) else seed
    runs = []
    for number, (temperature, pressure) in enumerate(conditions):
        atoms = structures[picks[number]]
        condition = Condition(temperature, pressure if atoms.pbc.all() else None)
        runs.append(Run(number, atoms, condition, (*streams, number)))
    return runs


def explored_by(
    runs: Sequence[Run], trajectories: Sequence[Trajectory], atom_steps: int, seconds: float
) -> Explored:
    """Results of runs, whose frames are marked with their numbers.

    Args:
        runs: The runs.
        trajectories: Of each.
        atom_steps, seconds: As in `Explored`.
    """
    for run, trajectory in zip(runs, trajectories, strict=True):
        for atoms in trajectory.frames:
            atoms.info |= {"origin": "dynamics", "run": run.number}
    return Explored(
        frames=[atoms for trajectory in trajectories for atoms in trajectory.frames],
        runs=len(trajectories),
        stopped=dict(Counter(t.stopped for t in trajectories if t.stopped)),
        atom_steps=atom_steps,
        seconds=seconds,
    )


def joined(parts: Sequence[Explored]) -> Explored:
    """Results of all parts of an exploration, in their order."""
    stopped: Counter[str] = Counter()
    for part in parts:
        stopped.update(part.stopped)
    return Explored(
        frames=[atoms for part in parts for atoms in part.frames],
        runs=sum(part.runs for part in parts),
        stopped=dict(stopped),
        atom_steps=sum(part.atom_steps for part in parts),
        seconds=sum(part.seconds for part in parts),
    )


def _conditions(config: ExploreConfig) -> list[tuple[float, float | None]]:
    """Temperature and pressure of each run."""
    pressures = (None,) if config.pressures is None else config.pressures
    return list(product(config.temperatures, pressures)) * config.runs
