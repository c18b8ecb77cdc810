"""Base class of sections of losses whose prefactors follow the learning rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from deepattn.config.loss import LossConfig
from deepattn.config.ranges import within
from deepattn.config.section import key
from deepattn.errors import ConfigError


def start_pref(value: float, what: str) -> Any:
    """A key for the prefactor of a term at the start of the training."""
    return key(value, f"Prefactor of {what} at the start of the training.", check=within(0))


def limit_pref(value: float, what: str) -> Any:
    """A key for the prefactor of a term at the end of the training."""
    return key(value, f"Prefactor of {what} as the learning rate goes to zero.", check=within(0))


@dataclass(frozen=True, kw_only=True)
class ScheduledLossConfig(LossConfig):
    """A ``loss`` section with the keys ``start_pref_x`` and ``limit_pref_x`` for each term x of
    its metrics; a term with both at zero does not exist.

    Class attributes:
        usual_keys: Keys that a message proposes where all prefactors are zero.
        of_either: Terms that exist with one prefactor in DeePMD-kit's PyTorch backend too.
    """

    usual_keys: ClassVar[tuple[str, str]]
    of_either: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def check(cls, section: Mapping[str, Any], path: str) -> None:
        super().check(section, path)
        if not any(value for name, value in section.items() if "_pref_" in name):
            raise ConfigError(
                f"{path} has no positive prefactor; set {' or '.join(cls.usual_keys)}."
            )

    @classmethod
    def check_common(cls, section: Mapping[str, Any], path: str) -> None:
        for start, value in section.items():
            term = start.removeprefix("start_pref_")
            if term == start or term in cls.of_either:
                continue
            limit = f"limit_pref_{term}"
            if (value == 0) != (section[limit] == 0):
                raise ConfigError(
                    f"{path}/{start} is {value:g} and {path}/{limit} is {section[limit]:g}; with "
                    "one of them at zero DeePMD-kit's PyTorch backend leaves the term out, so set "
                    "both or neither for a model with convention common."
                )

    @classmethod
    def lasting_labels(cls, section: Mapping[str, Any]) -> set[str]:
        return {
            label
            for metric in cls.metrics
            if section[f"start_pref_{metric.term}"] and section[f"limit_pref_{metric.term}"]
            for label in metric.labels
        }

    def prefactors(self, term: str) -> tuple[float, float]:
        """The prefactors of a term at the start and at the end."""
        return getattr(self, f"start_pref_{term}"), getattr(self, f"limit_pref_{term}")
