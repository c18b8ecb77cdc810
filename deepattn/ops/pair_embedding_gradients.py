"""Gradients of the compiled pair embedding, so that tapes cross it any number of times.

As in `attention_gradients`: backward and double backward are compiled, beyond them the reference
implementation is differentiated.
"""

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import tensorflow as tf

from deepattn.ops import reference
from deepattn.ops.gradients import by_reference, is_wanted
from deepattn.ops.reference.tapes import left_out, put_in

# Inputs of the op: rows, weight, index, factors, then matrices, biases and time steps. Those of
# the backward passes have in addition `grad_output`, and the double backward `grad_grad_rows` and
# `grad_grad_weight`.
_INDEX, _LAYERS = 2, 4


def register(ops: ModuleType) -> None:
    """Registers the gradients of the ops in `ops`, a module made by `tf.load_op_library`."""

    @tf.RegisterGradient("DeepattnPairEmbedding")
    def embedding(op: tf.Operation, grad: tf.Tensor) -> list[tf.Tensor | None]:
        inputs = layers_in_lists(op.inputs, op, _LAYERS)
        if any(is_wanted(op, k) for k in range(_INDEX + 1, len(op.inputs))):
            gradients = flat(ops.deepattn_pair_embedding_full_grad(*inputs, grad, **_options(op)))
        else:
            gradients = [*ops.deepattn_pair_embedding_grad(*inputs, grad, **_options(op))]
            gradients += [None] * (len(op.inputs) - _INDEX - 1)
        return put_in(gradients, _INDEX)

    @tf.RegisterGradient("DeepattnPairEmbeddingGrad")
    def embedding_grad(op: tf.Operation, *grad_grads: tf.Tensor) -> list[tf.Tensor | None]:
        *inputs, grad_output = op.inputs
        results = ops.deepattn_pair_embedding_grad_grad(
            *layers_in_lists(inputs, op, _LAYERS), grad_output, *grad_grads, **_options(op)
        )
        grad_grad_output, *gradients = flat(results)
        return [*put_in(gradients, _INDEX), grad_grad_output]

    @tf.RegisterGradient("DeepattnPairEmbeddingFullGrad")
    def embedding_full_grad(op: tf.Operation, *grad_grads: tf.Tensor) -> list[tf.Tensor | None]:
        *inputs, grad = op.inputs

        def function(grad: tf.Tensor, *sources: tf.Tensor) -> list[tf.Tensor]:
            return reference.pair_embedding_backward(
                grad, *put_in(sources, _INDEX, inputs[_INDEX]), **_options(op)
            )

        by_grad, *gradients = by_reference(function, [grad, *left_out(inputs, _INDEX)], grad_grads)
        return [*put_in(gradients, _INDEX), by_grad]

    @tf.RegisterGradient("DeepattnPairEmbeddingGradGrad")
    def embedding_grad_grad(op: tf.Operation, *grad_grads: tf.Tensor) -> list[tf.Tensor | None]:
        *inputs, grad, grad_grad_rows, grad_grad_weight = op.inputs

        def function(
            grad: tf.Tensor,
            grad_grad_rows: tf.Tensor,
            grad_grad_weight: tf.Tensor,
            *sources: tf.Tensor,
        ) -> list[tf.Tensor]:
            return reference.pair_embedding_double_backward(
                grad,
                grad_grad_rows,
                grad_grad_weight,
                *put_in(sources, _INDEX, inputs[_INDEX]),
                **_options(op),
            )

        sources = [grad, grad_grad_rows, grad_grad_weight, *left_out(inputs, _INDEX)]
        by_grad, grad_rows, grad_weight, *gradients = by_reference(function, sources, grad_grads)
        return [*put_in(gradients, _INDEX), by_grad, grad_rows, grad_weight]


def layers_in_lists(inputs: Sequence[tf.Tensor], op: tf.Operation, first: int) -> list:
    """The op's inputs as its Python function takes them: layers, from number `first` on, as the
    lists of their matrices, biases and time steps."""
    count = op.get_attr("nlayers")
    layers = list(inputs[first : first + 3 * count])
    return [*inputs[:first], *(layers[k * count : (k + 1) * count] for k in range(3))]


def _options(op: tf.Operation) -> dict[str, bool]:
    return {"offsets": op.get_attr("offsets")}


def flat(results: Sequence[Any]) -> list:
    """Results of an op, the lists among them unpacked."""
    return tf.nest.flatten(list(results))
