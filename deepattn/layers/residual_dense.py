"""One dense layer with DeePMD's residual connections and optional time step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from deepattn.layers.activations import get_activation
from deepattn.layers.initializers import SeededNormal
from deepattn.ops import DenseLayer, pair_embedding, product
from deepattn.ops.reference import residual_layer


@keras.saving.register_keras_serializable(package="deepattn")
class ResidualDense(keras.layers.Layer):
    """Dense layer whose residual connection follows from its sizes.

    With ``h = activation(x W + b)``, times the time step if there is one:

    - ``units == input width``: ``x + h``;
    - ``units == 2 * input width`` and ``doubling``: ``concat(x, x) + h``;
    - otherwise ``h``.

    Reference: L. Zhang et al., NeurIPS 31 (2018), arXiv:1805.09003.

    Args:
        units: Output width.
        activation: Name of the activation.
        residual: Whether any residual connection is made.
        doubling: Whether the connection to twice the width is made (embedding nets).
        time_step: Initial value of a trainable factor on ``h`` of residual layers; ``None``
            for no factor.
        time_step_shape: ``"row"`` for shape ``[1, units]``, ``"vector"`` for ``[units]``.
        use_bias: Whether ``b`` exists.
        seed: Seeds ``seed``, ``seed + 1``, ``seed + 2`` draw ``W``, ``b`` and the time step.

    Input shape: ``[..., width]``. Output shape: ``[..., units]``.
    """

    def __init__(
        self,
        units: int,
        activation: str = "tanh",
        *,
        residual: bool = True,
        doubling: bool = True,
        time_step: float | None = None,
        time_step_shape: str = "row",
        use_bias: bool = True,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if units < 1:
            raise ValueError(f"units must be at least 1, not {units!r}")
        self.units = units
        self.activation = activation
        self.residual = residual
        self.doubling = doubling
        self.time_step = time_step
        self.time_step_shape = time_step_shape
        self.use_bias = use_bias
        self.seed = seed
        self.function = get_activation(activation)
        # That of deepattn.layers.half replaces it where products may be rounded.
        self.product: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] = product

    def build(self, input_shape: Sequence[int | None]) -> None:
        width = input_shape[-1]
        if width is None:
            raise ValueError("the last axis of the input must have a known length")
        self.copies = self._copies(width)
        self.matrix = self.add_weight(
            name="matrix", shape=(width, self.units), initializer=SeededNormal(seed=self.seed)
        )
        self.bias = self.idt = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias", shape=(self.units,), initializer=SeededNormal(0.0, 1.0, self._seed(1))
            )
        if self.time_step is not None and self.copies:
            shape = (1, self.units) if self.time_step_shape == "row" else (self.units,)
            self.idt = self.add_weight(
                name="idt",
                shape=shape,
                initializer=SeededNormal(self.time_step, 0.001, self._seed(2)),
            )

    def call(self, x: tf.Tensor) -> tf.Tensor:
        matrix = tf.convert_to_tensor(self.matrix)
        bias, idt = (
            None if variable is None else tf.convert_to_tensor(variable)
            for variable in (self.bias, self.idt)
        )
        # Of rows, for which there are better products than of more dimensions.
        rows = x if x.shape.rank == 2 else tf.reshape(x, [-1, matrix.shape[0]])
        result = residual_layer(
            rows,
            matrix,
            bias,
            idt,
            function=self.function,
            copies=self.copies,
            product=self.product,
        )
        if x.shape.rank == 2:
            return result
        return tf.reshape(result, tf.concat([tf.shape(x)[:-1], [self.units]], axis=0))

    def named_variables(self) -> dict[str, keras.Variable]:
        """``matrix``, and ``bias`` and ``idt`` where they exist."""
        variables = {"matrix": self.matrix, "bias": self.bias, "idt": self.idt}
        return {name: variable for name, variable in variables.items() if variable is not None}

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "units": self.units,
            "activation": self.activation,
            "residual": self.residual,
            "doubling": self.doubling,
            "time_step": self.time_step,
            "time_step_shape": self.time_step_shape,
            "use_bias": self.use_bias,
            "seed": self.seed,
        }

    def _copies(self, width: int) -> int:
        """How many copies of the input the residual connection adds: 0, 1 or 2."""
        if self.residual and self.units == width:
            return 1
        if self.residual and self.doubling and self.units == 2 * width:
            return 2
        return 0

    def _seed(self, offset: int) -> int | None:
        return None if self.seed is None else self.seed + offset


def linear(units: int, *, use_bias: bool, seed: int | None, **kwargs: Any) -> ResidualDense:
    """A dense layer without activation and residual connection.

    Args:
        units: Output width.
        use_bias: Whether there is a bias.
        seed: See `ResidualDense`.
        **kwargs: Of a Keras layer.
    """
    return ResidualDense(units, "linear", residual=False, use_bias=use_bias, seed=seed, **kwargs)


def activated(
    layer: ResidualDense, x: tf.Tensor, function: Callable[[tf.Tensor], tf.Tensor]
) -> tf.Tensor:
    """``function(x W + b)`` of a linear layer, in one operation where that is possible.

    Args:
        layer: Of `linear`, with a bias.
        x: ``[..., width]``.
        function: An activation.

    Returns:
        ``[..., units]``.
    """
    width = layer.matrix.shape[0]
    if layer.units in (width, 2 * width):
        # The operation would add x.
        return function(layer(x))
    return _embedded(layer, x, None, function)


def activated_residual(
    layer: ResidualDense,
    x: tf.Tensor,
    function: Callable[[tf.Tensor], tf.Tensor],
    step: tf.Tensor | None = None,
) -> tf.Tensor:
    """``x + step * function(x W + b)`` of a linear layer, in one operation where possible.

    Args:
        layer: Of `linear`, with a bias, as wide as x.
        x: ``[..., units]``.
        function: An activation.
        step: ``[units]``; None for 1.

    Returns:
        ``[..., units]``.
    """
    return _embedded(layer, x, step, function)


def _embedded(
    layer: ResidualDense,
    x: tf.Tensor,
    step: tf.Tensor | None,
    function: Callable[[tf.Tensor], tf.Tensor],
) -> tf.Tensor:
    matrix, bias = tf.convert_to_tensor(layer.matrix), tf.convert_to_tensor(layer.bias)
    rows = pair_embedding(
        tf.reshape(x, [-1, matrix.shape[0]]),
        [DenseLayer(matrix, bias, step)],
        function=function,
        product=layer.product,
    )
    return tf.reshape(rows, tf.concat([tf.shape(x)[:-1], [layer.units]], axis=0))
