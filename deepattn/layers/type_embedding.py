"""Type embedding: one learned vector for each element."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deepattn.layers.embedding_net import EmbeddingNet, scoped_variables


@keras.saving.register_keras_serializable(package="deepattn")
class TypeEmbedding(keras.layers.Layer):
    """Table of type vectors, one row per type and a zero row for the missing neighbor.

    The rows are the outputs of an embedding net for one-hot inputs, or for the given features of
    the elements.

    Reference: D. Zhang et al., npj Comput. Mater. (2024), arXiv:2208.08236, "type embedding".

    Args:
        ntypes: Number of types.
        neuron: Widths of the net; the last is the width of the vectors.
        activation: Name of the activation.
        resnet_dt: Whether residual layers have a trainable time step.
        use_bias: Whether layers have a bias.
        features: Input of the net, ``[ntypes, width]``; one-hot when ``None``.
        seed: Seed of the weights.

    Input: int32 types of any shape, ``ntypes`` for the missing neighbor. Output: their vectors,
    one axis more. `table` gives all vectors.
    """

    def __init__(
        self,
        ntypes: int,
        neuron: Sequence[int] = (8,),
        activation: str = "linear",
        *,
        resnet_dt: bool = False,
        use_bias: bool = False,
        features: np.ndarray | Sequence[Sequence[float]] | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if ntypes < 1:
            raise ValueError(f"ntypes must be at least 1, not {ntypes!r}")
        self.ntypes = ntypes
        self.features = np.eye(ntypes) if features is None else np.asarray(features, float)
        if self.features.ndim != 2 or self.features.shape[0] != ntypes:
            raise ValueError(
                f"features must have {ntypes} rows, one per type, not shape {self.features.shape}"
            )
        self.net = EmbeddingNet(
            self.features.shape[1],
            neuron,
            activation,
            resnet_dt=resnet_dt,
            use_bias=use_bias,
            seed=seed,
            dtype=self.dtype_policy,
            trainable=self.trainable,
            name="net",
        )
        self._given_features = features

    @property
    def width(self) -> int:
        """Width of a type vector."""
        return self.net.neuron[-1]

    def build(self, input_shape: Sequence[int | None] | None = None) -> None:
        self.net.build()

    def call(self, types: tf.Tensor) -> tf.Tensor:
        return tf.gather(self.table(), types)

    def table(self) -> tf.Tensor:
        """All type vectors, ``[ntypes + 1, neuron[-1]]``; the last is zero."""
        vectors = self.net(tf.constant(self.features, self.net.compute_dtype))
        return tf.concat([vectors, tf.zeros([1, self.width], vectors.dtype)], axis=0)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return (*input_shape, self.width)

    def scoped_nets(self) -> list[tuple[str, str, EmbeddingNet]]:
        """The net with the scope and suffix of its weights' names."""
        return [("type_embed_net", "", self.net)]

    def named_variables(self) -> dict[str, keras.Variable]:
        """Weights under DeePMD's names, ``type_embed_net/matrix_1`` …"""
        return scoped_variables(self.scoped_nets())

    def get_config(self) -> dict:
        features = self._given_features
        return {
            **super().get_config(),
            "ntypes": self.ntypes,
            "neuron": list(self.net.neuron),
            "activation": self.net.activation,
            "resnet_dt": self.net.resnet_dt,
            "use_bias": self.net.use_bias,
            "features": None if features is None else np.asarray(features).tolist(),
            "seed": self.net.seed,
        }
