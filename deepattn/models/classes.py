"""The classes of models, their layers and their terms; no TensorFlow is imported."""

from __future__ import annotations

from deepattn.config import DESCRIPTORS, FITTINGS
from deepattn.config.combination import COMBINATIONS
from deepattn.config.submodel import SUBMODELS

# Those that no fitting names.
_FURTHER = (
    "deepattn.models.masked_model:MaskedModel",
    "deepattn.models.short_range:ShortRangeModel",
    "deepattn.models.spin_model:SpinModel",
)


def model_classes() -> list[str]:
    """References ``"module:class"`` to all classes that models have."""
    of_fittings = (kind.model for kind in FITTINGS.loaded().values())
    of_several = (kind.model for kind in COMBINATIONS.loaded().values() if kind.model is not None)
    return list(dict.fromkeys([*of_fittings, *_FURTHER, *of_several]))


def layer_classes() -> list[str]:
    """References to all classes of descriptors and fittings."""
    return [kind.layer for kinds in (DESCRIPTORS, FITTINGS) for kind in kinds.loaded().values()]


def term_classes() -> list[str]:
    """References to all classes of terms of linear combinations."""
    return [kind.layer for kind in SUBMODELS.loaded().values() if kind.layer is not None]
