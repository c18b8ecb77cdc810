"""Sums of an embedding over neighbors of an atom, or pairs of them, with their two derivatives.

The names are explained in ``ops/kernels/common/passes.h``."""

from collections.abc import Callable
from functools import partial

import tensorflow as tf

from deepattn.ops.reference.pair_embedding import pair_embedding
from deepattn.ops.reference.tapes import gradients_of, left_out

# The input without a gradient.
_INDEX = 2

# Of numbers ``[m, 1]``, weights ``[m]`` (None for none) and an index ``[m]``: ``[m, width]``.
Embedding = Callable[[tf.Tensor, tf.Tensor | None, tf.Tensor], tf.Tensor]


def embedded_contraction(
    rows: tf.Tensor,
    weight: tf.Tensor | None,
    index: tf.Tensor,
    times: tf.Tensor,
    embedding: Embedding,
) -> tf.Tensor:
    """``Σ_k times_k R_k ⊗ E(R_k0)``, in any floating-point type.

    Args:
        rows: R, T ``[n, nnei, columns]``.
        weight: T ``[n, nnei]``; None for none.
        index: int32 ``[n, nnei]``.
        times: T ``[nnei]``.
        embedding: E.

    Returns:
        T ``[n, columns, width]``.
    """
    first = tf.reshape(rows[:, :, 0], [-1, 1])
    flat = None if weight is None else tf.reshape(weight, [-1])
    embedded = embedding(first, flat, tf.reshape(index, [-1]))
    embedded = tf.reshape(embedded, tf.concat([tf.shape(index), embedded.shape[1:]], axis=0))
    return tf.matmul(rows * times[:, tf.newaxis], embedded, transpose_a=True)


def angle_sums(
    rows: tf.Tensor,
    weight: tf.Tensor | None,
    index: tf.Tensor,
    times: tf.Tensor,
    embedding: Embedding,
    *,
    kinds: int,
) -> tf.Tensor:
    """``Σ_kl times_k times_l c_kl E(c_kl)`` with ``c = R R^T``, in any floating-point type.

    Args:
        rows: R, T ``[n, nnei, 3]``.
        weight: w, T ``[n, nnei]``; None for none.
        index: Types of the slots, int32 ``[n, nnei]``, less than ``kinds``.
        times: T ``[nnei]``.
        embedding: E, of all pairs, with the weights ``w_k w_l`` and ``index_k kinds + index_l``.
        kinds: Number of types.

    Returns:
        T ``[n, width]``.
    """
    c = tf.matmul(rows, rows, transpose_b=True)
    pair = index[:, :, tf.newaxis] * kinds + index[:, tf.newaxis]
    if weight is not None:
        weight = tf.reshape(weight[:, :, tf.newaxis] * weight[:, tf.newaxis], [-1])
    embedded = embedding(tf.reshape(c, [-1, 1]), weight, tf.reshape(pair, [-1]))
    pairs = tf.shape(c)[1] * tf.shape(c)[2]
    counted = tf.reshape(c * times * times[:, tf.newaxis], [-1, 1, pairs])
    embedded = tf.reshape(embedded, tf.stack([tf.shape(c)[0], pairs, embedded.shape[1]]))
    return tf.matmul(counted, embedded)[:, 0]


def embedded_sums(
    rows: tf.Tensor,
    weight: tf.Tensor,
    index: tf.Tensor,
    times: tf.Tensor,
    factors: tf.Tensor,
    *layers: tf.Tensor,
    angles: bool,
    offsets: bool,
) -> tf.Tensor:
    """What the compiled ops do: one of these, E is `pair_embedding` with factors or offsets."""

    def embedding(x: tf.Tensor, weight: tf.Tensor | None, index: tf.Tensor) -> tf.Tensor:
        return pair_embedding(x, weight, index, factors, *layers, offsets=offsets)

    function = embedded_contraction
    if angles:
        pairs = layers[0].shape[0] - 1 if offsets else factors.shape[0]
        function = partial(angle_sums, kinds=round(pairs**0.5))
    scaled = weight if factors.shape[0] else None
    return function(rows, scaled, index, times, embedding)


def embedded_sums_backward(
    grad_output: tf.Tensor, *inputs: tf.Tensor, **options: bool
) -> list[tf.Tensor]:
    """Gradients by rows, weight, times, factors and layers; inputs as in the op."""
    sources = left_out(inputs, _INDEX)
    with tf.GradientTape() as tape:
        tape.watch(sources)
        output = embedded_sums(*inputs, **options)
    return gradients_of(tape, output, sources, grad_output)


def embedded_sums_double_backward(
    grad_output: tf.Tensor,
    grad_grad_rows: tf.Tensor,
    grad_grad_weight: tf.Tensor,
    *inputs: tf.Tensor,
    **options: bool,
) -> list[tf.Tensor]:
    """``grad_grad_output``, then gradients as in the backward pass."""
    sources = [grad_output, *left_out(inputs, _INDEX)]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        gradients = embedded_sums_backward(grad_output, *inputs, **options)[:2]
    return gradients_of(tape, gradients, sources, [grad_grad_rows, grad_grad_weight])
