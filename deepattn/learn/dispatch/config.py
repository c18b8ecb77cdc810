"""The keys of all sections of jobs: where they run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from deepattn.config.ranges import positive
from deepattn.config.section import Section, key
from deepattn.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class DispatchConfig(Section):
    """Where jobs run.

    Class attributes:
        places: Keys that may change in a folder in use.
    """

    places: ClassVar[tuple[str, ...]] = ("machine", "resources", "parallel", "wait")

    parallel: int = key(1, "Number of jobs that a batch is divided among.", check=positive)
    machine: dict | None = key(
        None,
        "Where jobs run: the section `machine` of dpdispatcher; null is a shell on this computer.",
    )
    resources: dict | None = key(
        None,
        "What each job needs: the section `resources` of dpdispatcher; its `group_size` is used "
        "in place of parallel.",
    )
    wait: float = key(5.0, "Seconds between two looks at the jobs that run.", check=positive)

    @classmethod
    def check_places(cls, section: Mapping[str, Any], path: str) -> None:
        """Check that a complete section says all about a machine.

        Raises:
            ConfigError: It has no resources.
        """
        if section["machine"] is not None and section["resources"] is None:
            raise ConfigError(
                f"{path}/machine needs {path}/resources; the documentation of dpdispatcher "
                "describes both."
            )
