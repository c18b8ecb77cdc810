"""The section ``learn/explore``."""

from __future__ import annotations

from dataclasses import dataclass

from deepattn.config.section import key
from deepattn.distill.config import ExploreConfig
from deepattn.learn.dispatch.config import DispatchConfig


@dataclass(frozen=True, kw_only=True)
class DynamicsJobsConfig(DispatchConfig):
    """Dynamics as jobs."""

    command: str | None = key(
        None,
        "Command that runs `python -m deepattn.learn.dynamics.job`, by a Python with deepattn; "
        "null takes the Python of this command.",
    )


@dataclass(frozen=True, kw_only=True)
class LearnExploreConfig(ExploreConfig):
    """Molecular dynamics of a round."""

    jobs: DynamicsJobsConfig | None = key(
        None, "Run it as jobs, whose number `parallel` is; null runs it in this process."
    )
