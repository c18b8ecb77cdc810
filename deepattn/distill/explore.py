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
    """What an exploration has found.

    Attributes:
        frames: frames of all runs, one run after another.
        runs: number of runs.
        stopped: how many of them ended early, by reason.
        atom_steps: atoms evaluated, and
        seconds: the time it took, without the first step.
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
) -> Explored:
    """Move structures at all conditions, ``config.runs`` of them at each.

    Args:
        potential: what moves them.
        structures: where runs start, each in as many runs as the others.
        config: conditions, number of runs and time step.
        steps: steps of each run.
        every: steps from one frame kept to the next.
        closest: as of `too_close`.
        seed: of velocities and thermostats.
        title: what a line of progress says.
    """
    pressures = (None,) if config.pressures is None else config.pressures
    conditions = list(product(config.temperatures, pressures)) * config.runs
    # Every structure as often as the others, and the same ones for teacher and students.
    picks = np.random.default_rng(0).permutation(np.arange(len(conditions)) % len(structures))
    evaluator = BatchedEvaluator(potential, len(conditions))
    with counted(steps * len(conditions), title) as tick:
        runs = []
        for number, (temperature, pressure) in enumerate(conditions):
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
    for number, trajectory in enumerate(trajectories):
        for atoms in trajectory.frames:
            atoms.info |= {"origin": "dynamics", "run": number}
    return Explored(
        frames=[atoms for trajectory in trajectories for atoms in trajectory.frames],
        runs=len(trajectories),
        stopped=dict(Counter(t.stopped for t in trajectories if t.stopped)),
        atom_steps=evaluator.atoms,
        seconds=evaluator.seconds,
    )
