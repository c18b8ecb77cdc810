"""What runs the dynamics of an exploration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from ase import Atoms

from deepattn.config import ModelConfig
from deepattn.distill.config import ExploreConfig
from deepattn.distill.explore import Explored, Run, planned_runs
from deepattn.distill.potential import ModelPotential


@dataclass(frozen=True)
class Exploration:
    """An exploration that is to be done.

    Attributes:
        potential: Potential that moves the atoms.
        structures: Where runs start.
        config: Conditions, number of runs and time step.
        steps: Steps of each run.
        every: Steps from one frame kept to the next.
        closest: See `too_close`.
        seed: Of velocities and thermostats.
        title: Title of the progress line.
    """

    potential: ModelPotential
    structures: Sequence[Atoms]
    config: ExploreConfig
    steps: int
    every: int
    closest: float
    seed: tuple[int, ...]
    title: str

    @cached_property
    def runs(self) -> list[Run]:
        """All its runs."""
        return planned_runs(self.structures, self.config, self.seed)


class Engine(Protocol):
    """A program that moves atoms, and how it is started."""

    def check(self, model: ModelConfig) -> None:
        """Check that models of a configuration can be run, before any work.

        Raises:
            ConfigError: They cannot.
        """

    def explore(self, exploration: Exploration, folder: Path) -> Explored:
        """Do an exploration.

        Args:
            exploration: What is to be done.
            folder: Of this call alone; the same call after an interruption finds its files.

        Raises:
            DataError: The dynamics cannot be run.
        """
