"""Base class of loss sections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from deepattn.config.section import Kind
from deepattn.registry import Registry

LOSSES: Registry[LossConfig] = Registry(
    "loss",
    "deepattn.losses",
    {
        "ener": "deepattn.losses.ener.config:EnerLossConfig",
        "dos": "deepattn.losses.dos.config:DosLossConfig",
        "tensor": "deepattn.losses.tensor.config:TensorLossConfig",
        "ener_spin": "deepattn.losses.ener_spin.config:EnerSpinLossConfig",
        "property": "deepattn.losses.property.config:PropertyLossConfig",
    },
)


class Metric(NamedTuple):
    """A number that a loss reports of a batch: a weighted mean, or the root of one of squares.

    Attributes:
        name: Its column in ``lcurve.out``, without the ending: ``"rmse_e"``.
        words: Name of the quantity, for messages: ``"energy"``.
        labels: The labels without which there is nothing to compare with.
        tag: Its tag in TensorBoard.
        short: Title, factor and unit in the lines on a terminal; None is not shown there.
        axis: Label of the axis of a plot; None is not drawn.
        root: Whether it is the root of the mean.
    """

    name: str
    words: str
    labels: tuple[str, ...]
    tag: str
    short: tuple[str, float, str] | None = None
    axis: str | None = None
    root: bool = True

    @property
    def term(self) -> str:
        """Last part of the name: ``"e"``."""
        return self.name.rpartition("_")[2]


# The root of the loss itself, which every loss reports.
TOTAL = Metric("rmse", "loss", (), "l2_loss_test")


@dataclass(frozen=True, kw_only=True)
class LossConfig(Kind):
    """A ``loss`` section: the keys of its type.

    A loss of your own is a subclass with fields for its keys (docs/extending.md).

    Class attributes:
        implementation: Reference ``"module:class"`` to its `deepattn.losses.Loss`.
        subject: What it trains; fittings of the same subject go with it.
        metrics: Metrics that it may report besides the total, in the order of the columns of
            ``lcurve.out``.
        of_moments: Whether it is for models of magnetic moments, and no others.
    """

    registry: ClassVar[Registry] = LOSSES
    default_type: ClassVar[str | None] = "ener"
    implementation: ClassVar[str]
    subject: ClassVar[str] = "energies"
    metrics: ClassVar[tuple[Metric, ...]] = ()
    of_moments: ClassVar[bool] = False

    @classmethod
    def check(cls, section: Mapping[str, Any], path: str) -> None:
        """Check a complete section.

        Raises:
            ConfigError: A value is out of range, or two do not go together.
        """
        cls.check_keys(section, path)

    @classmethod
    def check_common(cls, section: Mapping[str, Any], path: str) -> None:
        """Check a complete section for a model of the common convention.

        Raises:
            ConfigError: It has another meaning in DeePMD-kit's PyTorch backend.
        """

    @classmethod
    def lasting_labels(cls, section: Mapping[str, Any]) -> set[str]:
        """Labels that the loss compares with predictions from the first step to the last.

        Args:
            section: A complete section.
        """
        return {label for metric in cls.metrics for label in metric.labels}


def reads_hessian(loss: Mapping[str, Any]) -> bool:
    """Whether a loss section has a prefactor of the Hessian."""
    return any(loss.get(key) for key in ("start_pref_h", "limit_pref_h"))
