"""Reference implementation of a step of Adam on many weights."""

from collections.abc import Sequence

import tensorflow as tf


def adam_step(
    weights: Sequence[tf.Variable],
    first: Sequence[tf.Variable],
    second: Sequence[tf.Variable],
    grads: Sequence[tf.Tensor],
    *,
    rate: tf.Tensor,
    left_of_beta_1: tf.Tensor,
    left_of_beta_2: tf.Tensor,
    epsilon: tf.Tensor,
    left: tf.Tensor | None = None,
    decay: tf.Tensor | None = None,
    l2: tf.Tensor | None = None,
) -> None:
    """What `deepattn.ops.adam_step` does, weight by weight, in any floating-point type."""
    for weight, m, v, grad in zip(weights, first, second, grads, strict=True):
        if decay is not None:
            weight.assign_sub(decay * weight)
        if l2 is not None:
            grad += l2 * weight
        m.assign_add((grad - m) * left_of_beta_1)
        v.assign_add((tf.square(grad) - v) * left_of_beta_2)
        corrected = v if left is None else v / left
        weight.assign_sub(m * rate / (tf.sqrt(corrected) + epsilon))
