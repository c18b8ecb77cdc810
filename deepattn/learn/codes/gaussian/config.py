"""The section of the source of labels ``gaussian``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deepattn.errors import ConfigError
from deepattn.learn.labels.config import JobsConfig


@dataclass(frozen=True, kw_only=True)
class GaussianConfig(JobsConfig):
    """Gaussian, for molecules; the template has `gaussian.gjf`, the command writes
    `gaussian.log`."""

    code = "deepattn.learn.codes.gaussian.code:Gaussian"

    @classmethod
    def check(cls, section: Mapping[str, Any], path: str) -> None:
        super().check(section, path)
        if section["kspacing"] is not None:
            raise ConfigError(f"{path}/kspacing is for cells, and gaussian labels molecules.")
