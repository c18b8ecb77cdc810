"""The models of a combination: those that are trained, and others that stay as they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from deepattn.config.section import Kind, required
from deepattn.registry import Registry

STANDARD, FROZEN = "standard", "frozen"
# In the place of `standard` where the combination has another trained model before it.
FURTHER = "further"

SUBMODELS: Registry[SubModelConfig] = Registry(
    "model of a linear combination",
    "deepattn.submodels",
    {
        STANDARD: "deepattn.config.submodel:TrainedConfig",
        FURTHER: "deepattn.config.submodel:FurtherConfig",
        "residues": "deepattn.pairwise.config:ResiduesConfig",
        "pairtab": "deepattn.terms.pairtab.config:PairTabConfig",
        FROZEN: "deepattn.terms.frozen.config:FrozenConfig",
    },
)


@dataclass(frozen=True, kw_only=True)
class SubModelConfig(Kind):
    """A section of ``model/models``.

    Class attributes:
        layer: Reference ``"module:class"`` to the `deepattn.layers.Term`; None for the first model
            that is trained.
    """

    registry: ClassVar[Registry] = SUBMODELS
    default_type: ClassVar[str | None] = STANDARD
    only_in_lists: ClassVar[bool] = True
    layer: ClassVar[str | None] = None

    @classmethod
    def check(cls, section: Mapping[str, Any], path: str, *, ntypes: int) -> None:
        """Check a complete section beyond the ranges of its single keys.

        Args:
            section: The values.
            path: Where it is: ``"model/models/1"``.
            ntypes: Number of types.

        Raises:
            ConfigError: Keys do not go together.
        """


@dataclass(frozen=True, kw_only=True)
class TrainedConfig(SubModelConfig):
    """The first model that is trained, with the keys of a model of type `standard`."""


@dataclass(frozen=True, kw_only=True)
class FurtherConfig(SubModelConfig):
    """A model of type `standard` after the first, which inputs call `standard` too."""

    layer = "deepattn.terms.trained.layer:TrainedTerm"
    internal = True

    section: dict[str, Any] = required("The keys of the model.", dtype=dict)
