"""Gradients of the compiled sums of an embedding, so that tapes cross them any number of times.

As in `pair_embedding_gradients`: backward and double backward are compiled, beyond them the
reference implementation is differentiated. By how often slots count there is no gradient.
"""

from collections.abc import Sequence
from types import ModuleType

import tensorflow as tf

from deepattn.ops import reference
from deepattn.ops.gradients import by_reference, is_wanted
from deepattn.ops.pair_embedding_gradients import flat, layers_in_lists

# Inputs of the ops: rows, weight, index, times, factors, then matrices, biases and time steps.
# Those of the backward passes have in addition `grad`, and the double backward `bar_rows` and
# `bar_weight`.
_INDEX, _TIMES, _FACTORS, _LAYERS = 2, 3, 4, 5


def register(ops: ModuleType) -> None:
    """Registers the gradients of the ops in `ops`, a module made by `tf.load_op_library`."""
    _register(ops, "DeepattnAngleSums", "deepattn_angle_sums", angles=True)
    _register(ops, "DeepattnEmbeddedContraction", "deepattn_embedded_contraction", angles=False)


def _register(ops: ModuleType, name: str, function_name: str, *, angles: bool) -> None:
    backward, full_backward, double_backward = (
        getattr(ops, f"{function_name}_{kind}") for kind in ("grad", "full_grad", "grad_grad")
    )

    @tf.RegisterGradient(name)
    def sums(op: tf.Operation, grad: tf.Tensor) -> list[tf.Tensor | None]:
        inputs = layers_in_lists(op.inputs, op, _LAYERS)
        if any(is_wanted(op, k) for k in range(_FACTORS, len(op.inputs))):
            results = full_backward(*inputs, grad, offsets=op.get_attr("offsets"))
            rows, weight, *parameters = flat(results)
        else:
            rows, weight = backward(*inputs, grad, offsets=op.get_attr("offsets"))
            parameters = [None] * (len(op.inputs) - _FACTORS)
        return [rows, weight, None, None, *parameters]

    @tf.RegisterGradient(name + "Grad")
    def sums_grad(op: tf.Operation, *grad_grads: tf.Tensor) -> list[tf.Tensor | None]:
        *inputs, grad = op.inputs
        results = double_backward(
            *layers_in_lists(inputs, op, _LAYERS),
            *(grad, *grad_grads),
            offsets=op.get_attr("offsets"),
        )
        by_grad, rows, weight, *parameters = flat(results)
        return [rows, weight, None, None, *parameters, by_grad]

    @tf.RegisterGradient(name + "FullGrad")
    def sums_full_grad(op: tf.Operation, *grad_grads: tf.Tensor) -> list[tf.Tensor | None]:
        *inputs, grad = op.inputs
        options = {"angles": angles, "offsets": op.get_attr("offsets")}

        def function(grad: tf.Tensor, *sources: tf.Tensor) -> list[tf.Tensor]:
            gradients = reference.embedded_sums_backward(grad, *_put_in(sources, inputs), **options)
            return [*gradients[:2], *gradients[3:]]

        by_grad, *gradients = by_reference(function, [grad, *_sources(inputs)], grad_grads)
        return [*_put_in(gradients), by_grad]

    @tf.RegisterGradient(name + "GradGrad")
    def sums_grad_grad(op: tf.Operation, *grad_grads: tf.Tensor) -> list[tf.Tensor | None]:
        *inputs, grad, bar_rows, bar_weight = op.inputs
        options = {"angles": angles, "offsets": op.get_attr("offsets")}

        def function(*sources: tf.Tensor) -> list[tf.Tensor]:
            gradients = reference.embedded_sums_double_backward(
                *sources[:3], *_put_in(sources[3:], inputs), **options
            )
            return [*gradients[:3], *gradients[4:]]

        firsts = [grad, bar_rows, bar_weight]
        gradients = by_reference(function, [*firsts, *_sources(inputs)], grad_grads)
        return [*_put_in(gradients[3:]), *gradients[:3]]


def _sources(inputs: list[tf.Tensor]) -> list[tf.Tensor]:
    """Inputs that have gradients."""
    return [*inputs[:_INDEX], *inputs[_FACTORS:]]


def _put_in(values: Sequence, inputs: list | None = None) -> list:
    """The reverse: with index and times of the inputs, or None."""
    others = [None, None] if inputs is None else [inputs[_INDEX], inputs[_TIMES]]
    return [*values[:_INDEX], *others, *values[_INDEX:]]
