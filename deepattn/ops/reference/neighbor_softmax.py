"""Softmax over neighbors of weights, of which slots have none that are empty."""

import tensorflow as tf

# How far scores lie above those of neighbors without weight.
_DEPTH = 20.0


def neighbor_softmax(
    score: tf.Tensor, weight: tf.Tensor, padding: tf.Tensor | int, *, smooth: bool
) -> tf.Tensor:
    """Attention to neighbors, on the last axis, times ``weight`` (arXiv:2312.15492).

    The smooth form counts every slot in the denominator, those of no weight with the score −20;
    the other one counts neighbors only.

    Args:
        score: ``[…, stored]``.
        weight: ``[…, stored]``, of that shape or broadcast to it; a mask unless ``smooth``.
        padding: Number of further slots of no weight, a scalar.
        smooth: Which form.
    """
    if not smooth:
        return tf.nn.softmax(tf.where(weight > 0, score, score.dtype.min)) * weight
    score = (score + _DEPTH) * weight - _DEPTH
    largest = tf.reduce_max(score, axis=-1, keepdims=True)
    # Slots that are not stored have the score −20.
    largest = tf.stop_gradient(tf.where(padding > 0, tf.maximum(largest, -_DEPTH), largest))
    powers = tf.exp(score - largest)
    others = tf.where(padding > 0, -_DEPTH - largest, tf.zeros_like(largest))
    total = tf.reduce_sum(powers, axis=-1, keepdims=True)
    total += tf.cast(padding, total.dtype) * tf.exp(others)
    return powers / total * weight
