"""The section of the engine ``ase``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deepattn.config.section import key
from deepattn.learn.dispatch.config import DispatchConfig
from deepattn.learn.dynamics.config import EngineConfig


@dataclass(frozen=True, kw_only=True)
class AseJobsConfig(DispatchConfig):
    """Dynamics by ASE as jobs."""

    command: str | None = key(
        None,
        "Command that runs `python -m deepattn.learn.dynamics.ase.job`, by a Python with deepattn; "
        "null takes the Python of this command.",
    )


@dataclass(frozen=True, kw_only=True)
class AseConfig(EngineConfig):
    """ASE, with all frames of a step evaluated together."""

    implementation = "deepattn.learn.dynamics.ase.engine:AseEngine"

    jobs: AseJobsConfig | None = key(
        None, "Run it as jobs, whose number `parallel` is; null runs it in this process."
    )

    @classmethod
    def check(cls, section: Mapping[str, Any], path: str) -> None:
        if section["jobs"] is not None:
            DispatchConfig.check_places(section["jobs"], f"{path}/jobs")
