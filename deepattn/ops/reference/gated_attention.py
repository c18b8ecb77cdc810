"""Gated self-attention over neighbors (arXiv:2208.08236, eqs. 9-13) and its two derivatives.

The names are explained in ``ops/kernels/common/passes.h``."""

from collections.abc import Sequence

import tensorflow as tf

from deepattn.ops.reference.tapes import gradients_of

# Raises the scores of smooth attention above zero, so that the switch can pull them down.
_SMOOTH_SHIFT = 20.0
# The score of a neighbor that is none.
_LOWEST = -(2.0**33)
# Less than any sum of exponentials that counts.
_LEAST_TOTAL = 1e-3
_NORM_FLOOR = 1e-12


def gated_attention(
    embedding: tf.Tensor,
    direction: tf.Tensor,
    weight: tf.Tensor,
    count: tf.Tensor | None,
    padding: tf.Tensor | int,
    ln_eps: tf.Tensor | float,
    *parameters: tf.Tensor,
    dotr: bool,
    mask: bool,
    smooth: bool,
    temperature: float = 1.0,
    normalize: bool = True,
) -> tf.Tensor:
    """What `deepattn.ops.gated_attention` does, in any floating-point type.

    ``count`` None means all slots. The weights of plain attention are a mask: no derivatives.
    """
    *projections, matrix, bias, gamma, beta = parameters
    natoms, nnei = tf.unstack(tf.shape(embedding)[:2])
    width = embedding.shape[2]
    if count is not None:
        live = tf.sequence_mask(count, nnei)
        weight = tf.where(live, weight, tf.zeros_like(weight))
    if not smooth:
        weight = tf.stop_gradient(weight)
    # One product of matrices is faster than one for each neighborhood.
    rows = tf.reshape(embedding, [-1, width])
    column, faded = tf.expand_dims(weight, 2), tf.reshape(weight, [-1, 1])

    def project(k: int, length: tf.Tensor | float) -> tf.Tensor:
        projected = tf.nn.bias_add(tf.matmul(rows, projections[2 * k]), projections[2 * k + 1])
        return unit_rows(projected, length) if normalize else projected * length

    def by_atom(x: tf.Tensor) -> tf.Tensor:
        return tf.reshape(x, [natoms, nnei, x.shape[1]])

    length = faded if smooth else 1.0
    query, key = by_atom(project(0, temperature * length)), by_atom(project(1, length))
    score = tf.matmul(query, key, transpose_b=True)
    if smooth:
        shift = column * _SMOOTH_SHIFT**0.5
        score += tf.matmul(shift, shift, transpose_b=True)
    largest = tf.zeros([], score.dtype)
    if not normalize:
        # Of vectors of any length the exponentials could be more than a float can be.
        if not smooth:
            lowest = tf.constant(_LOWEST, score.dtype)
            score = tf.where(tf.linalg.matrix_transpose(column) > 0, score, lowest)
        largest = tf.reduce_max(score, axis=2, keepdims=True)
        if smooth:
            # Slots that are not stored have a score of 0.
            largest = tf.where(padding > 0, tf.maximum(largest, 0), largest)
        largest = tf.stop_gradient(largest)
    attention = _exp(score - largest)
    if smooth:
        total = tf.reduce_sum(attention, axis=2, keepdims=True)
        total += tf.cast(padding, total.dtype) * _exp(-largest)
    else:
        # Neighbors see at least themselves; rows of others are cleared below.
        total = tf.matmul(attention, tf.cast(column, attention.dtype))
        total = tf.maximum(total, _LEAST_TOTAL)
    if attention.dtype != embedding.dtype:
        attention, total = tf.cast(attention / total, embedding.dtype), 1.0
    if dotr:
        attention *= tf.matmul(direction, direction, transpose_b=True)
    if mask:
        attention *= 1.0 - tf.eye(nnei, dtype=attention.dtype)
    # Values are multiplied by the output matrix first, as it has fewer columns than rows.
    value = by_atom(tf.matmul(project(2, faded), matrix))
    mixed = tf.nn.bias_add(embedding + tf.matmul(attention, value) * (column / total), bias)
    return normalize_rows(mixed, ln_eps) * gamma + beta


def gated_attention_backward(
    grad_output: tf.Tensor, *inputs: tf.Tensor, **options: bool
) -> list[tf.Tensor]:
    """Gradients by embedding, direction, weight and all parameters; inputs as in the op."""
    sources = _sources(inputs)
    with tf.GradientTape() as tape:
        tape.watch(sources)
        output = gated_attention(*inputs, **options)
    return gradients_of(tape, output, sources, grad_output)


def gated_attention_tangent(
    grad_grad_embedding: tf.Tensor,
    grad_grad_direction: tf.Tensor,
    grad_grad_weight: tf.Tensor,
    *inputs: tf.Tensor,
    **options: bool,
) -> tf.Tensor:
    """First part of the double backward: ``grad_grad_output``, the output's tangent."""
    grad_output = tf.zeros_like(inputs[0])
    with tf.GradientTape() as tape:
        tape.watch(grad_output)
        gradients = gated_attention_backward(grad_output, *inputs, **options)[:3]
    return tape.gradient(
        gradients,
        grad_output,
        output_gradients=[grad_grad_embedding, grad_grad_direction, grad_grad_weight],
    )


def gated_attention_reverse(
    grad_output: tf.Tensor,
    grad_grad_embedding: tf.Tensor,
    grad_grad_direction: tf.Tensor,
    grad_grad_weight: tf.Tensor,
    outer_grad_output: tf.Tensor,
    *inputs: tf.Tensor,
    **options: bool,
) -> list[tf.Tensor]:
    """Second part of the double backward: gradients by embedding, direction, weight, parameters."""
    sources = _sources(inputs)
    with tf.GradientTape() as tape:
        tape.watch(sources)
        output = gated_attention(*inputs, **options)
        gradients = gated_attention_backward(grad_output, *inputs, **options)[:3]
    grads = [outer_grad_output, grad_grad_embedding, grad_grad_direction, grad_grad_weight]
    return gradients_of(tape, [output, *gradients], sources, grads)


def unit_rows(
    x: tf.Tensor, length: tf.Tensor | float = 1.0, *, least: float = _NORM_FLOOR
) -> tf.Tensor:
    """Rows of ``x`` (last axis) at a given length.

    Rows whose square is below ``least`` stay shorter; a row of zeros stays zero.
    """
    square = tf.reduce_sum(tf.square(x), axis=-1, keepdims=True)
    return x * (length * tf.math.rsqrt(tf.maximum(square, least)))


def normalize_rows(x: tf.Tensor, epsilon: tf.Tensor | float) -> tf.Tensor:
    """Rows of ``x`` (last axis) with mean 0 and variance 1 (arXiv:1607.06450)."""
    centered = x - tf.reduce_mean(x, axis=-1, keepdims=True)
    variance = tf.reduce_mean(tf.square(centered), axis=-1, keepdims=True)
    return centered / tf.sqrt(variance + epsilon)


def _exp(score: tf.Tensor) -> tf.Tensor:
    """Exponentials of scores, which need no maximum: they lie between -1 and 1, times the
    temperature, or with smooth attention 20 above that at most."""
    # e^21 is more than a half-precision number can be.
    return tf.exp(tf.cast(score, tf.float32) if score.dtype.size < 4 else score)


def _sources(inputs: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """What has gradients: embedding, direction, weight, parameters."""
    return [*inputs[:3], *inputs[6:]]
