"""The base of the sections that describe losses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from deepattn.config.section import Kind
from deepattn.registry import Registry

LOSSES: Registry[LossConfig] = Registry(
    "loss", "deepattn.losses", {"ener": "deepattn.losses.ener.config:EnerLossConfig"}
)


@dataclass(frozen=True, kw_only=True)
class LossConfig(Kind):
    """A ``loss`` section: the keys of its type.

    A loss of your own is a subclass with fields for its keys (docs/extending.md).

    Class attributes:
        implementation: reference ``"module:class"`` to its `deepattn.losses.Loss`.
    """

    registry: ClassVar[Registry] = LOSSES
    default_type: ClassVar[str | None] = "ener"
    implementation: ClassVar[str]

    @classmethod
    def check(cls, section: Mapping[str, Any], path: str) -> None:
        """Check a complete section.

        Raises:
            ConfigError: a value is out of range, or two do not go together.
        """
        cls.check_keys(section, path)
