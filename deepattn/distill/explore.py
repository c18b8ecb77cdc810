"""Exploration: molecular dynamics over all temperatures and pressures, many runs at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
from ase import Atoms

from deepattn.distill.config import ExploreConfig
from deepattn.distill.dynamics import Condition, Trajectory, run_dynamics
from deepattn.distill.lockstep import BatchedEvaluator, run_in_lockstep
from deepattn.distill.potential import Potential
from deepattn.progress import counted


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
    conditions = _conditions(config)
    # Every structure as often as the others, and the same ones for teacher and students.
    picks = np.random.default_rng(0).permutation(np.arange(len(conditions)) % len(structures))
    wanted = range(len(conditions)) if numbers is None else numbers
    evaluator = BatchedEvaluator(potential, len(wanted))
    with counted(steps * len(wanted), title) as tick:
        runs = []
        for number in wanted:
            temperature, pressure = conditions[number]
            atoms = structures[picks[number]]
            start = partial(
                run_dynamics,
                atoms,
                condition=Condition(temperature, pressure if atoms.pbc.all() else None),
                timestep=config.timestep,
                steps=steps,
                every=every,
                closest=closest,
                seed=[*([seed] if isinstance(seed, int) else seed), number],
                tick=tick,
            )
            runs.append(start)
        trajectories: list[Trajectory] = run_in_lockstep(evaluator, runs)
    for number, trajectory in zip(wanted, trajectories, strict=True):
        for atoms in trajectory.frames:
            atoms.info |= {"origin": "dynamics", "run": number}
    return Explored(
        frames=[atoms for trajectory in trajectories for atoms in trajectory.frames],
        runs=len(trajectories),
        stopped=dict(Counter(t.stopped for t in trajectories if t.stopped)),
        atom_steps=evaluator.atoms,
        seconds=evaluator.seconds,
    )


def number_of_runs(config: ExploreConfig) -> int:
    """Number of runs of an exploration."""
    return len(_conditions(config))


def _conditions(config: ExploreConfig) -> list[tuple[float, float | None]]:
    """Temperature and pressure of each run."""
    pressures = (None,) if config.pressures is None else config.pressures
    return list(product(config.temperatures, pressures)) * config.runs
