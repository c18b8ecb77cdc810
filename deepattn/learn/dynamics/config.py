"""The section ``learn/explore``: its conditions, and the engine that runs the dynamics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from deepattn.config.section import Kind, key
from deepattn.distill.config import ExploreConfig
from deepattn.registry import Registry, resolve

if TYPE_CHECKING:
    from deepattn.learn.dynamics.engine import Engine

ENGINES: Registry[EngineConfig] = Registry(
    "engine of dynamics",
    "deepattn.engines",
    {
        "ase": "deepattn.learn.dynamics.ase.config:AseConfig",
        "lammps": "deepattn.learn.dynamics.lammps.config:LammpsConfig",
    },
)


@dataclass(frozen=True, kw_only=True)
class EngineConfig(Kind):
    """An ``engine`` section: the keys of its type, and the engine that it describes.

    Class attributes:
        implementation: Reference ``"module:class"`` to the `Engine`, made from the section.
    """

    registry: ClassVar[Registry] = ENGINES
    default_type = "ase"
    implementation: ClassVar[str]

    @classmethod
    def check(cls, section: Mapping[str, Any], path: str) -> None:
        """Check a complete section, of which each value was checked by itself.

        Raises:
            ConfigError: Two values do not go together.
        """

    def open(self) -> Engine:
        """The engine.

        Raises:
            ConfigError: A package that it needs is not installed, or does not accept its section.
        """
        return resolve(self.implementation)(self)


@dataclass(frozen=True, kw_only=True)
class LearnExploreConfig(ExploreConfig):
    """Molecular dynamics of a round."""

    engine: EngineConfig = key({}, "The program that runs it.")
