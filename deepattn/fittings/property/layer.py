"""Properties of structures, as contributions of atoms."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from deepattn.config import ModelConfig
from deepattn.fittings.nets import NetFitting
from deepattn.fittings.property.config import PropertyFittingConfig
from deepattn.formats.weight_names import PROPERTY_MEAN, PROPERTY_SPREAD
from deepattn.layers.descriptor import Descriptor
from deepattn.layers.environment import real_types


@keras.saving.register_keras_serializable(package="deepattn")
class PropertyFitting(NetFitting):
    """Contribution of each atom to a property: a fitting net in units of the spread of the labels,
    plus their mean.

    Args:
        ntypes: Number of types.
        descriptor_width: Width of the descriptor.
        task_dim: Number of components.
        distinguish_types: Whether each type has a mean and a spread of its own.
        **kwargs: As for `NetFitting`.

    Output shape: ``[nframes, nloc, task_dim]``.
    """

    def __init__(
        self,
        ntypes: int,
        descriptor_width: int,
        *,
        task_dim: int = 1,
        distinguish_types: bool = True,
        **kwargs: Any,
    ) -> None:
        self._task_dim = task_dim
        self.distinguish_types = distinguish_types
        super().__init__(ntypes, descriptor_width, **kwargs)

    @classmethod
    def own_arguments(
        cls, section: PropertyFittingConfig, model: ModelConfig, descriptor: Descriptor
    ) -> dict[str, Any]:
        return {"task_dim": section.task_dim, "distinguish_types": section.distinguish_types}

    @property
    def output_width(self) -> int:
        return self._task_dim

    def build(self, *_: object) -> None:
        shape = (self.ntypes, self._task_dim)
        self.mean, self.spread = self._constant("mean", shape), self._constant("std", shape, "ones")
        super().build()

    def call(
        self,
        descriptor: tf.Tensor,
        atype: tf.Tensor,
        type_embedding: tf.Tensor | None = None,
        fparam: tf.Tensor | None = None,
        aparam: tf.Tensor | None = None,
    ) -> tf.Tensor:
        values = self._net_values(descriptor, atype, type_embedding, fparam, aparam)
        kind = real_types(atype, self.ntypes)
        if not self.distinguish_types:
            kind = tf.zeros_like(kind)
        spread, mean = (
            tf.gather(tf.convert_to_tensor(variable), kind) for variable in (self.spread, self.mean)
        )
        return self._by_atom(tf.cast(values, self.interface_dtype) * spread + mean, atype)

    def label_units(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Mean and spread that the loss refers errors to, each ``[task_dim]``."""
        return tf.convert_to_tensor(self.mean)[0], tf.convert_to_tensor(self.spread)[0]

    def named_variables(self) -> dict[str, keras.Variable]:
        """Weights and statistics."""
        return {**super().named_variables(), PROPERTY_MEAN: self.mean, PROPERTY_SPREAD: self.spread}

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "task_dim": self._task_dim,
            "distinguish_types": self.distinguish_types,
        }
