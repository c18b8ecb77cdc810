"""The base of the sections that describe fittings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from deepattn import limits
from deepattn.config.ranges import null_or, within
from deepattn.config.rules_net import check_net, require, settle_activation
from deepattn.config.section import Kind, key
from deepattn.config.texts import ACTIVATION, PRECISION, RESNET, SEED
from deepattn.registry import Registry

_NUMBER = within(0, limits.WIDTH)

FITTINGS: Registry[FittingConfig] = Registry(
    "fitting", "deepattn.fittings", {"ener": "deepattn.fittings.ener.config:EnerFittingConfig"}
)


@dataclass(frozen=True, kw_only=True)
class FittingConfig(Kind):
    """A ``fitting_net`` section: the keys of its type, and what the rest of the program asks.

    Class attributes:
        layer: reference ``"module:class"`` to the `deepattn.layers.Fitting`.
        dpmodel: reference to the `deepattn.trees.FittingFormat` that reads and writes it in
            ``.dp`` files; None if there is none.
        fine_tunes: whether a model that was trained on other data can be a start.
    """

    registry: ClassVar[Registry] = FITTINGS
    default_type: ClassVar[str | None] = "ener"
    layer: ClassVar[str]
    dpmodel: ClassVar[str | None] = None
    fine_tunes: ClassVar[bool] = True

    numb_fparam: int = key(0, "Number of frame parameters (fparam.npy).", check=_NUMBER)
    numb_aparam: int = key(0, "Number of atomic parameters (aparam.npy).", check=_NUMBER)
    dim_case_embd: int = key(
        0,
        "Width of the vector that tells a net shared by several tasks which one it is: their "
        "number, or 0 (docs/multi-task.md).",
        check=_NUMBER,
    )
    neuron: tuple[int, ...] = key([120, 120, 120], "Widths of the layers.", alias=("n_neuron",))
    activation_function: str = key("tanh", ACTIVATION)
    precision: str = key("default", PRECISION)
    resnet_dt: bool = key(True, RESNET)
    trainable: bool | tuple[bool, ...] = key(
        True, "Whether the net is trained; a list gives each layer and the output."
    )
    rcond: float | None = key(
        None, "Cutoff of the least squares for the energy bias.", check=null_or(within(0))
    )
    seed: int | None = key(None, SEED)

    @classmethod
    def settle(cls, section: dict[str, Any]) -> None:
        """Bring a complete section to its one form; it is changed."""
        settle_activation(section)

    @classmethod
    def check(cls, section: Mapping[str, Any], path: str, *, ntypes: int) -> None:
        """Check a complete section beyond the ranges of its single keys.

        Args:
            section: the values.
            path: where it is: ``"model/fitting_net"``.
            ntypes: number of types.

        Raises:
            ConfigError: keys do not go together.
        """
        check_net(section, path)
        trainable, layers = section["trainable"], len(section["neuron"]) + 1
        if isinstance(trainable, list):
            require(
                len(trainable) == layers,
                f"{path}/trainable",
                trainable,
                f"be one value or {layers}: one a layer of neuron and one for the output",
            )

    @property
    def isolated(self) -> tuple[float | None, ...]:
        """Values of isolated atoms by type that the user gives; empty for none, None is fitted."""
        return ()
