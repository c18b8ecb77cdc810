"""Base class of fitting sections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from deepattn import limits
from deepattn.config.constraints import check_net, require, resolve_activation
from deepattn.config.descriptions import ACTIVATION, PRECISION, RESNET, SEED
from deepattn.config.ranges import null_or, within
from deepattn.config.section import Kind, key
from deepattn.registry import Registry

_NUMBER = within(0, limits.WIDTH)

FITTINGS: Registry[FittingConfig] = Registry(
    "fitting", "deepattn.fittings", {"ener": "deepattn.fittings.ener.config:EnerFittingConfig"}
)


@dataclass(frozen=True, kw_only=True)
class FittingConfig(Kind):
    """A ``fitting_net`` section: the keys of its type, and what the rest of the program asks.

    Class attributes:
        layer: Reference ``"module:class"`` to the `deepattn.layers.Fitting`.
        dpmodel: Reference to the `deepattn.trees.FittingFormat` that reads and writes it in
            ``.dp`` files; None if there is none.
        fine_tunes: Whether a model that was trained on other data can be a start.
    """

    registry: ClassVar[Registry] = FITTINGS
    default_type: ClassVar[str | None] = "ener"
    layer: ClassVar[str]
    dpmodel: ClassVar[str | None] = None
    torch: ClassVar[str | None] = None
    fine_tunes: ClassVar[bool] = True

    numb_fparam: int = key(0, "Number of frame parameters (fparam.npy).", check=_NUMBER)
    numb_aparam: int = key(0, "Number of atomic parameters (aparam.npy).", check=_NUMBER)
    dim_case_embd: int = key(
        0,
        "Width of the task embedding of a fitting net that several tasks share: the number "
        "of tasks, or 0 (docs/multi-task.md).",
        check=_NUMBER,
    )
    neuron: tuple[int, ...] = key([120, 120, 120], "Widths of the layers.", alias=("n_neuron",))
    activation_function: str = key("tanh", ACTIVATION)
    precision: str = key("default", PRECISION)
    resnet_dt: bool = key(True, RESNET)
    trainable: bool | tuple[bool, ...] = key(
        True,
        "Whether the net is trained; a list has one entry per hidden layer and one for the output.",
    )
    rcond: float | None = key(
        None,
        "Relative cutoff of singular values in the least-squares fit of the energy bias.",
        check=null_or(within(0)),
    )
    seed: int | None = key(None, SEED)

    @classmethod
    def resolve_defaults(cls, section: dict[str, Any]) -> None:
        """Resolve defaults that depend on other keys, in place."""
        resolve_activation(section)

    @classmethod
    def check(cls, section: Mapping[str, Any], path: str, *, ntypes: int) -> None:
        """Check a complete section beyond the ranges of its single keys.

        Args:
            section: The values.
            path: Where it is: ``"model/fitting_net"``.
            ntypes: Number of types.

        Raises:
            ConfigError: Keys do not go together.
        """
        check_net(section, path)
        trainable, layers = section["trainable"], len(section["neuron"]) + 1
        if isinstance(trainable, list):
            require(
                len(trainable) == layers,
                f"{path}/trainable",
                trainable,
                f"be one value or a list of {layers}: one per layer of neuron and one for "
                "the output",
            )

    @property
    def isolated(self) -> tuple[float | None, ...]:
        """The user's values for isolated atoms by type; empty if there are none, None is fitted."""
        return ()
