"""Embedding net: a residual multilayer perceptron on each row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import tensorflow as tf

from deepattn import ops
from deepattn.layers.residual_dense import ResidualDense


@keras.saving.register_keras_serializable(package="deepattn")
class EmbeddingNet(keras.layers.Layer):
    """Multilayer perceptron that maps a pair's scalars to its embedding.

    Every layer, the first included, is residual where its width equals or doubles the width
    before it (`ResidualDense`).

    Reference: L. Zhang et al., NeurIPS 31 (2018), arXiv:1805.09003, section 2.

    Args:
        input_width: Width of the rows that come in.
        neuron: Widths of the layers.
        activation: Name of the activation.
        resnet_dt: Whether residual layers have a trainable time step.
        time_step: Its initial value, 1 in DeePMD-kit's TensorFlow backend, 0.1 in the others.
        use_bias: Whether layers have a bias.
        seed: Seed of the weights; layer k (from 1) uses ``seed + 3 k`` and the two after it.

    Call arguments:
        x: ``[..., input_width]``.
        scale: Factors of the rows by their pair of types, for ``x`` of rank 2; none by default.

    Output shape: ``[..., neuron[-1]]``.
    """

    def __init__(
        self,
        input_width: int,
        neuron: Sequence[int] = (25, 50, 100),
        activation: str = "tanh",
        *,
        resnet_dt: bool = False,
        time_step: float = 1.0,
        use_bias: bool = True,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if not neuron:
            raise ValueError(f"neuron must name at least one layer width, not {neuron!r}")
        self.input_width = input_width
        self.neuron = tuple(neuron)
        self.activation = activation
        self.resnet_dt = resnet_dt
        self.time_step = time_step
        self.use_bias = use_bias
        self.seed = seed
        self.hidden = [
            ResidualDense(
                width,
                activation,
                time_step=time_step if resnet_dt else None,
                use_bias=use_bias,
                seed=None if seed is None else seed + 3 * k,
                dtype=self.dtype_policy,
                trainable=self.trainable,
                name=f"layer_{k}",
            )
            for k, width in enumerate(self.neuron, start=1)
        ]

    def build(self, input_shape: Sequence[int | None] | None = None) -> None:
        widths = (self.input_width, *self.neuron)
        for layer, width in zip(self.hidden, widths, strict=False):
            layer.build((None, width))

    def call(
        self,
        x: tf.Tensor,
        scale: ops.PairScale | None = None,
        vectors: ops.PairVectors | None = None,
    ) -> tf.Tensor:
        of_vectors = 0 if vectors is None else vectors.vectors.shape[1]
        rows = tf.reshape(x, [-1, self.input_width - of_vectors])
        first = self.hidden[0]
        rows = ops.pair_embedding(
            rows,
            self.weights_of_ops(),
            scale=scale,
            vectors=vectors,
            function=first.function,
            product=first.product,
        )
        return tf.reshape(rows, tf.concat([tf.shape(x)[:-1], [self.neuron[-1]]], axis=0))

    def weights_of_ops(self) -> list[ops.DenseLayer]:
        """The weights of the layers as operations take them."""
        layers = []
        for layer in self.hidden:
            matrix, bias, step = (
                None if weight is None else tf.cast(weight, self.compute_dtype)
                for weight in (layer.matrix, layer.bias, layer.idt)
            )
            step = None if step is None else tf.reshape(step, [-1])
            layers.append(ops.DenseLayer(matrix, bias, step))
        return layers

    def named_variables(self, suffix: str = "") -> dict[str, keras.Variable]:
        """Weights as ``matrix_k``, ``bias_k``, ``idt_k`` (k from 1), each with ``suffix``."""
        return {
            f"{name}_{k}{suffix}": variable
            for k, layer in enumerate(self.hidden, start=1)
            for name, variable in layer.named_variables().items()
        }

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.neuron[-1])

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "input_width": self.input_width,
            "neuron": list(self.neuron),
            "activation": self.activation,
            "resnet_dt": self.resnet_dt,
            "time_step": self.time_step,
            "use_bias": self.use_bias,
            "seed": self.seed,
        }


def seed_after(seed: int | None, neuron: Sequence[int]) -> int | None:
    """The seed that follows an embedding net of the given widths in DeePMD's counting."""
    return None if seed is None else seed + 3 * (len(neuron) + 1)


def scoped_variables(nets: Iterable[tuple[str, str, EmbeddingNet]]) -> dict[str, keras.Variable]:
    """Weights of nets given with scope and suffix, as ``scope/matrix_1suffix`` …"""
    return {
        f"{scope}/{name}": variable
        for scope, suffix, net in nets
        for name, variable in net.named_variables(suffix).items()
    }
