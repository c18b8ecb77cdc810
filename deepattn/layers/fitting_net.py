"""Fitting net: from an atom's descriptor to one number or several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from deepattn.layers.residual_dense import ResidualDense


@keras.saving.register_keras_serializable(package="deepattn")
class FittingNet(keras.layers.Layer):
    """Residual multilayer perceptron with a linear output.

    Layers after the first are residual where their width equals the one before; with
    ``every_residual`` the first layer and those of twice the width before too, as in DeePMD-kit's
    backends other than TensorFlow.

    Reference: L. Zhang et al., NeurIPS 31 (2018), arXiv:1805.09003.

    Args:
        input_width: Width of the rows that come in.
        neuron: Widths of the hidden layers.
        activation: Name of the activation.
        resnet_dt: Whether residual layers have a trainable time step.
        every_residual: Whether all residual connections are made that widths allow.
        trainable_layers: For each hidden layer and the output whether it is trained; all of them
            when ``None``.
        output_width: Width of the output.
        layer_names: For each hidden layer and the output a name of its weights, or None for that of
            its place; layers of one name are one layer. None for no names.
        seed: Seed of the weights; layer k (from 0) uses ``seed + 3 k`` and the two after it.

    Input shape: ``[n, input_width]``. Output shape: ``[n, output_width]``.
    """

    def __init__(
        self,
        input_width: int,
        neuron: Sequence[int] = (240, 240, 240),
        activation: str = "tanh",
        *,
        resnet_dt: bool = True,
        every_residual: bool = False,
        trainable_layers: Sequence[bool] | None = None,
        output_width: int = 1,
        layer_names: Sequence[str | None] | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        count = len(neuron) + 1
        if trainable_layers is not None and len(trainable_layers) != count:
            raise ValueError(
                f"trainable_layers must have {count} entries, one per hidden layer and one "
                f"for the output, not {list(trainable_layers)!r}"
            )
        self.input_width = input_width
        self.neuron = tuple(neuron)
        self.activation = activation
        self.resnet_dt = resnet_dt
        self.every_residual = every_residual
        self.trainable_layers = None if trainable_layers is None else list(trainable_layers)
        self.output_width = output_width
        self.layer_names = None if layer_names is None else list(layer_names)
        self.seed = seed
        names = [f"layer_{k}" for k in range(count - 1)] + ["final_layer"]
        for k, name in enumerate(self.layer_names or []):
            if name is not None:
                names[k] = f"share_{name}"
        made: dict[str, ResidualDense] = {}
        for k, (name, units) in enumerate(zip(names, (*self.neuron, output_width), strict=True)):
            if name in made:
                continue
            made[name] = ResidualDense(
                units,
                activation if k < count - 1 else "linear",
                residual=(every_residual or k > 0) and k < count - 1,
                doubling=every_residual,
                time_step=0.1 if resnet_dt else None,
                time_step_shape="vector",
                seed=None if seed is None else seed + 3 * k,
                trainable=self.trainable and (trainable_layers is None or trainable_layers[k]),
                dtype=self.dtype_policy,
                name=name,
            )
        self.stack = [made[name] for name in names]

    def build(self, input_shape: Sequence[int | None] | None = None) -> None:
        for layer, width in zip(self.stack, (self.input_width, *self.neuron), strict=True):
            if not layer.built:
                layer.build((None, width))

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return self.stack[-1](self.hidden(x))

    def hidden(self, x: tf.Tensor) -> tf.Tensor:
        """Output of the last hidden layer, ``[n, neuron[-1]]``."""
        for layer in self.stack[:-1]:
            x = layer(x)
        return x

    def named_variables(self, suffix: str = "") -> dict[str, keras.Variable]:
        """``layer_k<suffix>/matrix`` …, ``final_layer<suffix>/matrix`` and ``/bias``; those of a
        layer with a name are ``share_<name><suffix>/matrix`` …"""
        return {
            f"{layer.name}{suffix}/{name}": variable
            for layer in self.stack
            for name, variable in layer.named_variables().items()
        }

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.output_width)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "input_width": self.input_width,
            "neuron": list(self.neuron),
            "activation": self.activation,
            "resnet_dt": self.resnet_dt,
            "every_residual": self.every_residual,
            "trainable_layers": self.trainable_layers,
            "output_width": self.output_width,
            "layer_names": self.layer_names,
            "seed": self.seed,
        }
