"""A trained model as a term of another one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from deepattn.config import ModelConfig
from deepattn.config.submodel import FurtherConfig
from deepattn.layers import TypeEmbedding
from deepattn.layers.term import POTENTIAL
from deepattn.models.build import SharedLayers, build_model
from deepattn.models.energy_model import EnergyModel
from deepattn.terms.model_term import ModelTerm

if TYPE_CHECKING:
    from typing_extensions import Self


@keras.saving.register_keras_serializable(package="deepattn")
class TrainedTerm(ModelTerm):
    """The energies of a model that is trained with the others.

    Args:
        model: The model.
    """

    trained = True

    @classmethod
    def from_section(
        cls,
        section: FurtherConfig,
        model: ModelConfig,
        *,
        interface_dtype: str,
        arrays: Mapping[str, np.ndarray] | None,
        type_embedding: TypeEmbedding | None,
    ) -> Self:
        built = build_model(
            model.further_model(section),
            interface_dtype=interface_dtype,
            arrays=arrays,
            shared=SharedLayers(type_embedding=type_embedding),
        )
        if not isinstance(built, EnergyModel):
            raise TypeError(f"a term must be of energies, not a {type(built).__name__}")
        return cls(built)

    def prepare(self, inputs: Mapping[str, tf.Tensor]) -> dict[str, Any]:
        return self.model.prepare(self._inputs(inputs))

    def trained_potential(self, prepared: Mapping[str, Any]) -> dict[str, tf.Tensor]:
        found = self.model(prepared, with_descriptor=False)
        return {name: found[name] for name in POTENTIAL}
