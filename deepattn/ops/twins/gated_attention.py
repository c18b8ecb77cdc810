"""Gated self-attention over neighbours (arXiv:2208.08236, eqs. 9-13) and its two derivatives."""

import tensorflow as tf

# Raises the scores of smooth attention above zero, so that the switch can pull them down.
_SMOOTH_SHIFT = 20.0
_MASKED_SCORE = 2.0**33
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
) -> tf.Tensor:
    """What `deepattn.ops.gated_attention` does, in any floating-point type.

    The number 0 for ``padding`` leaves it out of the graph; ``count`` None means all slots.
    """
    *projections, matrix, bias, gamma, beta = parameters
    if count is not None:
        live = tf.sequence_mask(count, tf.shape(weight)[1])
        weight = tf.where(live, weight, tf.zeros_like(weight))
    query, key, value = (
        unit_rows(tf.nn.bias_add(tf.matmul(embedding, m), b))
        for m, b in zip(projections[::2], projections[1::2], strict=True)
    )
    score = tf.matmul(query, key, transpose_b=True)
    column, row = weight[:, tf.newaxis, :], weight[:, :, tf.newaxis]
    if smooth:
        attention = _smooth_softmax(score, column * row, padding) * (column * row)
    else:
        lowest = min(_MASKED_SCORE, float(score.dtype.max) / 2)
        # Weightless slots add nothing to the softmax, so those not stored need no mention.
        attention = tf.nn.softmax(score * column - lowest * (1.0 - column)) * row
    if dotr:
        attention = attention * tf.matmul(direction, direction, transpose_b=True)
    if mask:
        attention = attention * (1.0 - tf.eye(tf.shape(embedding)[1], dtype=attention.dtype))
    mixed = embedding + tf.nn.bias_add(tf.matmul(tf.matmul(attention, value), matrix), bias)
    return normalize_rows(mixed, ln_eps) * gamma + beta


def gated_attention_grad(grad: tf.Tensor, *inputs: tf.Tensor, **options: bool) -> list[tf.Tensor]:
    """Gradients by embedding, direction, weight and all parameters; inputs as in the op."""
    sources = _sources(inputs)
    with tf.GradientTape() as tape:
        tape.watch(sources)
        output = gated_attention(*inputs, **options)
    return tape.gradient(
        output, sources, output_gradients=grad, unconnected_gradients=tf.UnconnectedGradients.ZERO
    )


def gated_attention_grad_grad(
    grad: tf.Tensor,
    bar_embedding: tf.Tensor,
    bar_direction: tf.Tensor,
    bar_weight: tf.Tensor,
    *inputs: tf.Tensor,
    **options: bool,
) -> list[tf.Tensor]:
    """Gradients, by ``grad`` and by what follows it, of the product of bars and gradients."""
    sources = [grad, *_sources(inputs)]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        gradients = gated_attention_grad(grad, *inputs, **options)[:3]
    return tape.gradient(
        gradients,
        sources,
        output_gradients=[bar_embedding, bar_direction, bar_weight],
        unconnected_gradients=tf.UnconnectedGradients.ZERO,
    )


def unit_rows(x: tf.Tensor) -> tf.Tensor:
    """Rows of ``x`` (last axis) at unit length; a row of zeros stays zero."""
    square = tf.reduce_sum(tf.square(x), axis=-1, keepdims=True)
    return x * tf.math.rsqrt(tf.maximum(square, _NORM_FLOOR))


def normalize_rows(x: tf.Tensor, epsilon: tf.Tensor | float) -> tf.Tensor:
    """Rows of ``x`` (last axis) with mean 0 and variance 1 (arXiv:1607.06450)."""
    centred = x - tf.reduce_mean(x, axis=-1, keepdims=True)
    variance = tf.reduce_mean(tf.square(centred), axis=-1, keepdims=True)
    return centred / tf.sqrt(variance + epsilon)


def _smooth_softmax(score, pair, padding):
    """Softmax of the switched scores, with ``padding`` more slots of weight 0 in each row."""
    logit = (score + _SMOOTH_SHIFT) * pair - _SMOOTH_SHIFT
    if isinstance(padding, int) and padding == 0:
        return tf.nn.softmax(logit)
    peak = tf.stop_gradient(tf.reduce_max(logit, axis=-1, keepdims=True))
    power = tf.exp(logit - peak)
    weightless = tf.cast(padding, score.dtype) * tf.exp(-_SMOOTH_SHIFT - peak)
    return power / (tf.reduce_sum(power, axis=-1, keepdims=True) + weightless)


def _sources(inputs):
    """What has gradients: embedding, direction, weight, parameters."""
    return [*inputs[:3], *inputs[6:]]
