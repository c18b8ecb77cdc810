"""Derivatives of reference implementations by tapes."""

from collections.abc import Sequence

import tensorflow as tf


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
