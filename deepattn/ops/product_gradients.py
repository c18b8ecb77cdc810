"""Gradient of the compiled product, made of products, so that tapes cross it any number of times.

With ``A' = A`` or its transpose, and ``B'`` likewise, ``C = A' B'`` has ``∂L/∂A' = G B'ᵀ`` and
``∂L/∂B' = A'ᵀ G`` of ``G = ∂L/∂C``.
"""

from types import ModuleType

import tensorflow as tf

from deepattn.ops.gradients import is_wanted


def register(ops: ModuleType) -> None:
    """Registers the gradient of the op in `ops`."""

    @tf.RegisterGradient("DeepattnProduct")
    def gradient(op: tf.Operation, grad: tf.Tensor) -> tuple[tf.Tensor | None, tf.Tensor | None]:
        a, b = op.inputs
        of_a, of_b = op.get_attr("transpose_a"), op.get_attr("transpose_b")

        def product(
            first: tf.Tensor, second: tf.Tensor, turn_first: bool, turn_second: bool
        ) -> tf.Tensor:
            return ops.deepattn_product(
                first, second, transpose_a=turn_first, transpose_b=turn_second
            )

        grad_a = grad_b = None
        if is_wanted(op, 0):
            grad_a = product(b, grad, of_b, True) if of_a else product(grad, b, False, not of_b)
        if is_wanted(op, 1):
            grad_b = product(grad, a, True, of_a) if of_b else product(a, grad, not of_a, False)
        return grad_a, grad_b
