"""Reference implementation of a step of Adam on several weights."""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf


class AdamNumbers(NamedTuple):
    """Scalars of a step, of the type of the weights; None leaves an operation out.

    Attributes:
        rate: learning rate, with all that does not depend on the weight.
        left_of_beta_1, left_of_beta_2: one less the decay rates of the moments.
        epsilon: added to the root of the second moment.
        left: what the second moment is divided by before.
        decay: share of a weight that is taken off it.
        l2: factor of the weight that is added to its gradient.
    """

    rate: tf.Tensor
    left_of_beta_1: tf.Tensor
    left_of_beta_2: tf.Tensor
    epsilon: tf.Tensor
    left: tf.Tensor | None = None
    decay: tf.Tensor | None = None
    l2: tf.Tensor | None = None


def adam_step(
    weights: Sequence[tf.Variable],
    first: Sequence[tf.Variable],
    second: Sequence[tf.Variable],
    grads: Sequence[tf.Tensor],
    numbers: AdamNumbers,
) -> None:
    """What `deepattn.ops.adam_step` does, weight by weight, in any floating-point type."""
    rate, left_of_beta_1, left_of_beta_2, epsilon, left, decay, l2 = numbers
    for weight, m, v, grad in zip(weights, first, second, grads, strict=True):
        if decay is not None:
            weight.assign_sub(decay * weight)
        if l2 is not None:
            grad += l2 * weight
        m.assign_add((grad - m) * left_of_beta_1)
        v.assign_add((tf.square(grad) - v) * left_of_beta_2)
        corrected = v if left is None else v / left
        weight.assign_sub(m * rate / (tf.sqrt(corrected) + epsilon))
