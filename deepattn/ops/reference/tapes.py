"""What the derivatives of reference implementations and of compiled ops have in common."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf


def left_out(values: Sequence, place: int) -> list:
    """All values but the one at a place, such as the inputs of an op that have gradients."""
    return [*values[:place], *values[place + 1 :]]


def put_in(values: Sequence, place: int, value: Any = None) -> list:
    """The reverse of `left_out`."""
    return [*values[:place], value, *values[place:]]


def gradients_of(
    tape: tf.GradientTape,
    target: tf.Tensor | Sequence[tf.Tensor],
    sources: Sequence[tf.Tensor],
    grad: tf.Tensor | Sequence[tf.Tensor],
) -> list[tf.Tensor]:
    """Gradients by all sources, as dense tensors; of what the target does not depend on, zeros."""
    gradients = tape.gradient(
        target, sources, output_gradients=grad, unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
    return [tf.convert_to_tensor(gradient) for gradient in gradients]
