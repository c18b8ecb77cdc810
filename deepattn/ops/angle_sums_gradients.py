"""Gradients of the compiled sums over angles, so that tapes cross them any number of times.

As in `pair_embedding_gradients`: backward and double backward are compiled, beyond them the
reference implementation is differentiated. By how often slots count there is no gradient.
"""

from types import ModuleType

import tensorflow as tf

from deepattn.ops import reference
from deepattn.ops.gradients import by_reference, is_wanted
from deepattn.ops.pair_embedding_gradients import flat, layers_in_lists

# Inputs of the op: rows, weight, kind, times, factors, then matrices, biases and time steps. Those
# of the backward passes have in addition `grad`, and the double backward `bar_rows` and
# `bar_weight`.
_KIND, _TIMES, _FACTORS, _LAYERS = 2, 3, 4, 5


def register(ops: ModuleType) -> None:
    """Registers the gradients of the ops in `ops`, a module made by `tf.load_op_library`."""

    @tf.RegisterGradient("DeepattnAngleSums")
    def sums(op: tf.Operation, grad: tf.Tensor) -> list[tf.Tensor | None]:
        inputs = layers_in_lists(op.inputs, op, _LAYERS)
        if any(is_wanted(op, k) for k in range(_FACTORS, len(op.inputs))):
            rows, weight, *parameters = flat(
                ops.deepattn_angle_sums_full_grad(*inputs, grad, **_options(op))
            )
        else:
            rows, weight = ops.deepattn_angle_sums_grad(*inputs, grad, **_options(op))
            parameters = [None] * (len(op.inputs) - _FACTORS)
        return [rows, weight, None, None, *parameters]

    @tf.RegisterGradient("DeepattnAngleSumsGrad")
    def sums_grad(op: tf.Operation, *grad_grads: tf.Tensor) -> list[tf.Tensor | None]:
        *inputs, grad = op.inputs
        results = ops.deepattn_angle_sums_grad_grad(
            *layers_in_lists(inputs, op, _LAYERS), grad, *grad_grads, **_options(op)
        )
        by_grad, rows, weight, *parameters = flat(results)
        return [rows, weight, None, None, *parameters, by_grad]

    @tf.RegisterGradient("DeepattnAngleSumsFullGrad")
    def sums_full_grad(op: tf.Operation, *grad_grads: tf.Tensor) -> list[tf.Tensor | None]:
        *inputs, grad = op.inputs
        kind, times = inputs[_KIND], inputs[_TIMES]

        def function(grad: tf.Tensor, *sources: tf.Tensor) -> list[tf.Tensor]:
            rows, weight, *parameters = sources
            gradients = reference.embedded_angle_sums_backward(
                grad, rows, weight, kind, times, *parameters, **_options(op)
            )
            return [*gradients[:2], *gradients[3:]]

        sources = [grad, *inputs[:_KIND], *inputs[_FACTORS:]]
        by_grad, rows, weight, *parameters = by_reference(function, sources, grad_grads)
        return [rows, weight, None, None, *parameters, by_grad]

    @tf.RegisterGradient("DeepattnAngleSumsGradGrad")
    def sums_grad_grad(op: tf.Operation, *grad_grads: tf.Tensor) -> list[tf.Tensor | None]:
        *inputs, grad, bar_rows, bar_weight = op.inputs
        kind, times = inputs[_KIND], inputs[_TIMES]

        def function(*sources: tf.Tensor) -> list[tf.Tensor]:
            grad, bar_rows, bar_weight, rows, weight, *parameters = sources
            gradients = reference.embedded_angle_sums_double_backward(
                grad, bar_rows, bar_weight, rows, weight, kind, times, *parameters, **_options(op)
            )
            return [*gradients[:3], *gradients[4:]]

        sources = [grad, bar_rows, bar_weight, *inputs[:_KIND], *inputs[_FACTORS:]]
        firsts, seconds = 3, 5
        gradients = by_reference(function, sources, grad_grads)
        rows, weight = gradients[firsts:seconds]
        return [rows, weight, None, None, *gradients[seconds:], *gradients[:firsts]]


def _options(op: tf.Operation) -> dict[str, bool]:
    return {"offsets": op.get_attr("offsets")}
