"""Residual perceptrons on rows, with factors by pair of types, and their two derivatives.

The names are explained in ``ops/kernels/common/passes.h``."""

from collections.abc import Callable

import tensorflow as tf

from deepattn.ops.reference.tapes import gradients_of, left_out

# The input without a gradient.
_INDEX = 2


def residual_layer(
    x: tf.Tensor,
    matrix: tf.Tensor,
    bias: tf.Tensor | None,
    step: tf.Tensor | None,
    *,
    function: Callable[[tf.Tensor], tf.Tensor],
    copies: int,
    product: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] = tf.matmul,
) -> tf.Tensor:
    """``function(x W + b) step``, plus ``copies`` (0, 1 or 2) of ``x`` side by side."""
    hidden = product(x, matrix)
    if bias is not None:
        hidden = tf.nn.bias_add(hidden, bias)
    hidden = function(hidden)
    if step is not None:
        hidden = hidden * step
    if copies == 1:
        return x + hidden
    if copies == 2:
        return tf.concat([x, x], axis=-1) + hidden
    return hidden


def pair_embedding(
    rows: tf.Tensor,
    weight: tf.Tensor | None,
    index: tf.Tensor,
    factors: tf.Tensor,
    *layers: tf.Tensor,
    offsets: bool = False,
    function: Callable[[tf.Tensor], tf.Tensor] = tf.tanh,
    product: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] = tf.matmul,
) -> tf.Tensor:
    """What `deepattn.ops.pair_embedding` does, in any floating-point type.

    ``layers`` are all matrices, then all biases, then all time steps; where there are no factors,
    no bias or no time step, an empty tensor takes their place. With ``offsets`` the first matrix
    has further rows, one of which is added by each row's index.
    """
    count = len(layers) // 3
    for k, (matrix, bias, step) in enumerate(
        zip(layers[:count], layers[count : 2 * count], layers[2 * count :], strict=True)
    ):
        width, units = matrix.shape
        if k == 0 and offsets:
            inputs = rows.shape[1]
            hidden = product(rows, matrix[:inputs]) + tf.gather(matrix[inputs:], index)
            hidden = function(hidden if bias.shape[0] == 0 else tf.nn.bias_add(hidden, bias))
            rows = hidden if step.shape[0] == 0 else hidden * step
            continue
        rows = residual_layer(
            rows,
            matrix,
            None if bias.shape[0] == 0 else bias,
            None if step.shape[0] == 0 else step,
            function=function,
            copies={width: 1, 2 * width: 2}.get(units, 0),
            product=product,
        )
    if factors.shape[0] == 0:
        return rows
    factor = tf.gather(factors, index)
    if weight is not None:
        factor *= weight[:, tf.newaxis]
    return rows * factor + rows


def pair_embedding_backward(
    grad_output: tf.Tensor, *inputs: tf.Tensor, offsets: bool = False
) -> list[tf.Tensor]:
    """Gradients by rows, weight, factors and layers; inputs as in the op."""
    sources = left_out(inputs, _INDEX)
    with tf.GradientTape() as tape:
        tape.watch(sources)
        output = pair_embedding(*inputs, offsets=offsets)
    return gradients_of(tape, output, sources, grad_output)


def pair_embedding_double_backward(
    grad_output: tf.Tensor,
    grad_grad_rows: tf.Tensor,
    grad_grad_weight: tf.Tensor,
    *inputs: tf.Tensor,
    offsets: bool = False,
) -> list[tf.Tensor]:
    """``grad_grad_output``, then gradients by rows, weight, factors and layers."""
    sources = [grad_output, *left_out(inputs, _INDEX)]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        gradients = pair_embedding_backward(grad_output, *inputs, offsets=offsets)[:2]
    return gradients_of(tape, gradients, sources, [grad_grad_rows, grad_grad_weight])
