"""Gradients of the compiled attention of pairs, so that tapes cross it any number of times.

As in `pair_embedding_gradients`: backward and double backward are compiled, beyond them the
reference implementation is differentiated.
"""

from collections.abc import Sequence
from types import ModuleType

import tensorflow as tf

from deepattn.ops import reference
from deepattn.ops.gradients import by_reference, is_wanted
from deepattn.ops.reference.tapes import left_out, put_in

# Inputs of the op: features, vectors, weight, padding, the two matrices. Those of the backward
# passes have in addition `grad_output`, and the double backward three `grad_grad` of the slots.
_PADDING = 3
_INPUTS = 6


def register(ops: ModuleType) -> None:
    """Registers the gradients of the ops in `ops`, a module made by `tf.load_op_library`."""

    @tf.RegisterGradient("DeepattnPairAttention")
    def attention(op: tf.Operation, grad: tf.Tensor) -> list[tf.Tensor | None]:
        if any(is_wanted(op, k) for k in range(_PADDING + 1, _INPUTS)):
            gradients = ops.deepattn_pair_attention_full_grad(*op.inputs, grad, **_options(op))
        else:
            gradients = ops.deepattn_pair_attention_grad(*op.inputs, grad, **_options(op))
            gradients = [*gradients, None, None]
        return _spread(op, gradients)

    @tf.RegisterGradient("DeepattnPairAttentionGrad")
    def attention_grad(op: tf.Operation, *grad_grads: tf.Tensor) -> list[tf.Tensor | None]:
        grad_grad_output, *gradients = ops.deepattn_pair_attention_grad_grad(
            *op.inputs, *grad_grads, **_options(op)
        )
        return [*_spread(op, gradients), grad_grad_output]

    @tf.RegisterGradient("DeepattnPairAttentionFullGrad")
    def attention_full_grad(op: tf.Operation, *grad_grads: tf.Tensor) -> list[tf.Tensor | None]:
        *inputs, grad = op.inputs

        def function(grad: tf.Tensor, *sources: tf.Tensor) -> list[tf.Tensor]:
            return reference.pair_attention_backward(
                grad, *put_in(sources, _PADDING, inputs[_PADDING]), **_options(op)
            )

        by_grad, *gradients = by_reference(
            function, [grad, *left_out(inputs, _PADDING)], grad_grads
        )
        return [*_spread(op, gradients), by_grad]

    @tf.RegisterGradient("DeepattnPairAttentionGradGrad")
    def attention_grad_grad(op: tf.Operation, *grad_grads: tf.Tensor) -> list[tf.Tensor | None]:
        inputs, firsts = op.inputs[:_INPUTS], op.inputs[_INPUTS:]

        def function(*values: tf.Tensor) -> list[tf.Tensor]:
            return reference.pair_attention_double_backward(
                *values[:4], *put_in(values[4:], _PADDING, inputs[_PADDING]), **_options(op)
            )

        gradients = by_reference(function, [*firsts, *left_out(inputs, _PADDING)], grad_grads)
        return [*_spread(op, gradients[4:]), *gradients[:4]]


def _options(op: tf.Operation) -> dict[str, bool]:
    return {name: op.get_attr(name) for name in ("gate", "smooth")}


def _spread(op: tf.Operation, gradients: Sequence[tf.Tensor | None]) -> list:
    """Gradients in the places of the op's inputs; weights that are a mask have none."""
    features, vectors, weight, *parameters = gradients
    weight = weight if op.get_attr("smooth") else None
    return put_in([features, vectors, weight, *parameters], _PADDING)
