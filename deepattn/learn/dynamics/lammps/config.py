"""The section of the engine ``lammps``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deepattn.config.section import required
from deepattn.learn.dispatch.config import DispatchConfig
from deepattn.learn.dynamics.config import EngineConfig


@dataclass(frozen=True, kw_only=True)
class LammpsConfig(EngineConfig, DispatchConfig):
    """LAMMPS with DeePMD-kit's `pair_style deepmd`, a job for each run."""

    implementation = "deepattn.learn.dynamics.lammps.engine:LammpsEngine"

    command: str = required(
        "Command that runs LAMMPS in the folder of one run, such as `lmp -in in.lammps`."
    )

    @classmethod
    def check(cls, section: Mapping[str, Any], path: str) -> None:
        cls.check_places(section, path)
