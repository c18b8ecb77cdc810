"""Dynamics by ASE, in this process or as jobs."""

from __future__ import annotations

from pathlib import Path

from deepattn.config import ModelConfig
from deepattn.distill.explore import Explored, explore
from deepattn.learn.dynamics.ase.config import AseConfig
from deepattn.learn.dynamics.ase.jobs import AseJobs
from deepattn.learn.dynamics.engine import Exploration


class AseEngine:
    """ASE's Langevin dynamics; the frames are the same in this process and as jobs.

    Args:
        config: The section of the input.

    Raises:
        ConfigError: dpdispatcher is not installed, or does not accept its sections.
    """

    def __init__(self, config: AseConfig) -> None:
        self._jobs = None if config.jobs is None else AseJobs(config.jobs)

    def check(self, model: ModelConfig) -> None:
        """See `Engine`; every model can be run."""

    def explore(self, exploration: Exploration, folder: Path) -> Explored:
        """See `Engine`."""
        if self._jobs is not None:
            return self._jobs.explore(exploration, folder)
        return explore(
            exploration.potential,
            exploration.structures,
            exploration.config,
            steps=exploration.steps,
            every=exploration.every,
            closest=exploration.closest,
            seed=exploration.seed,
            title=exploration.title,
        )
