"""Sums of an embedding over pairs of an atom's neighbors, with their two derivatives.

The names are explained in ``ops/kernels/common/passes.h``."""

from collections.abc import Callable

import tensorflow as tf

from deepattn.ops.reference.pair_embedding import pair_embedding
from deepattn.ops.reference.tapes import gradients_of, left_out

# The input without a gradient.
_KIND = 2


def angle_sums(
    rows: tf.Tensor,
    weight: tf.Tensor | None,
    kind: tf.Tensor,
    times: tf.Tensor,
    kinds: int,
    embedding: Callable[[tf.Tensor, tf.Tensor | None, tf.Tensor], tf.Tensor],
) -> tf.Tensor:
    """``Σ_kl times_k times_l c_kl E(c_kl)`` with ``c = R R^T``, in any floating-point type.

    Args:
        rows: R, T ``[n, nnei, 3]``.
        weight: w, T ``[n, nnei]``; None for none.
        kind: int32 ``[n, nnei]``, less than ``kinds``.
        times: T ``[nnei]``.
        kinds: Number of types.
        embedding: E of the c of all pairs ``[n nnei², 1]``, the weights ``w_k w_l`` and the pairs
            of types, ``kind_k kinds + kind_l``.

    Returns:
        T ``[n, width]``.
    """
    c = tf.matmul(rows, rows, transpose_b=True)
    pair = kind[:, :, tf.newaxis] * kinds + kind[:, tf.newaxis]
    if weight is not None:
        weight = tf.reshape(weight[:, :, tf.newaxis] * weight[:, tf.newaxis], [-1])
    embedded = embedding(tf.reshape(c, [-1, 1]), weight, tf.reshape(pair, [-1]))
    pairs = tf.shape(c)[1] * tf.shape(c)[2]
    counted = tf.reshape(c * times * times[:, tf.newaxis], [-1, 1, pairs])
    embedded = tf.reshape(embedded, tf.stack([tf.shape(c)[0], pairs, embedded.shape[1]]))
    return tf.matmul(counted, embedded)[:, 0]


def embedded_angle_sums(
    rows: tf.Tensor,
    weight: tf.Tensor,
    kind: tf.Tensor,
    times: tf.Tensor,
    factors: tf.Tensor,
    *layers: tf.Tensor,
    offsets: bool,
) -> tf.Tensor:
    """What the compiled op does: E is `pair_embedding` with factors or offsets."""
    pairs = layers[0].shape[0] - 1 if offsets else factors.shape[0]

    def embedding(c: tf.Tensor, weight: tf.Tensor | None, pair: tf.Tensor) -> tf.Tensor:
        return pair_embedding(c, weight, pair, factors, *layers, offsets=offsets)

    return angle_sums(rows, None if offsets else weight, kind, times, round(pairs**0.5), embedding)


def embedded_angle_sums_backward(
    grad_output: tf.Tensor, *inputs: tf.Tensor, offsets: bool
) -> list[tf.Tensor]:
    """Gradients by rows, weight, times, factors and layers; inputs as in the op."""
    sources = left_out(inputs, _KIND)
    with tf.GradientTape() as tape:
        tape.watch(sources)
        output = embedded_angle_sums(*inputs, offsets=offsets)
    return gradients_of(tape, output, sources, grad_output)


def embedded_angle_sums_double_backward(
    grad_output: tf.Tensor,
    grad_grad_rows: tf.Tensor,
    grad_grad_weight: tf.Tensor,
    *inputs: tf.Tensor,
    offsets: bool,
) -> list[tf.Tensor]:
    """``grad_grad_output``, then gradients as in the backward pass."""
    sources = [grad_output, *left_out(inputs, _KIND)]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        gradients = embedded_angle_sums_backward(grad_output, *inputs, offsets=offsets)[:2]
    return gradients_of(tape, gradients, sources, [grad_grad_rows, grad_grad_weight])
