"""Gradients of the compiled sums over neighbors, so that tapes cross them any number of times.

As in `pair_embedding_gradients`: backward and double backward are compiled, beyond them the
reference implementation is differentiated.
"""

from collections.abc import Sequence
from types import ModuleType

import tensorflow as tf

from deepattn.ops import reference
from deepattn.ops.gradients import by_reference
from deepattn.ops.reference.tapes import left_out, put_in

# Inputs of the op: features, index, weight, factors, vectors. Those of the backward passes have in
# addition `grad_convolution` and `grad_moments`, and the double backward four `grad_grad`.
_INDEX = 1
_INPUTS = 5


def register(ops: ModuleType) -> None:
    """Registers the gradients of the ops in `ops`, a module made by `tf.load_op_library`."""

    @tf.RegisterGradient("DeepattnNeighborSums")
    def sums(op: tf.Operation, *grads: tf.Tensor) -> list[tf.Tensor | None]:
        return put_in(ops.deepattn_neighbor_sums_grad(*op.inputs, *grads), _INDEX)

    @tf.RegisterGradient("DeepattnNeighborSumsGrad")
    def sums_grad(op: tf.Operation, *grad_grads: tf.Tensor) -> list[tf.Tensor | None]:
        by_convolution, by_moments, *gradients = ops.deepattn_neighbor_sums_grad_grad(
            *op.inputs, *grad_grads
        )
        return [*put_in(gradients, _INDEX), by_convolution, by_moments]

    @tf.RegisterGradient("DeepattnNeighborSumsGradGrad")
    def sums_grad_grad(op: tf.Operation, *grad_grads: tf.Tensor) -> list[tf.Tensor | None]:
        inputs, firsts = op.inputs[:_INPUTS], op.inputs[_INPUTS:]
        options = _options(inputs)

        def function(*values: tf.Tensor) -> list[tf.Tensor]:
            return reference.neighbor_sums_double_backward(
                values[0],
                values[1],
                values[2:6],
                *put_in(values[6:], _INDEX, inputs[_INDEX]),
                **options,
            )

        gradients = by_reference(function, [*firsts, *left_out(inputs, _INDEX)], grad_grads)
        return [*put_in(gradients[6:], _INDEX), *gradients[:6]]


def _options(inputs: Sequence[tf.Tensor]) -> dict[str, bool]:
    """What there is, by the shapes that `deepattn.ops.neighbor_sums` gives to what there is not."""
    _, index, _, factors, vectors = inputs
    return {
        "convolves": factors.shape[0] != 0,
        "turns": vectors.shape[0] != 0,
        "indexed": index.shape[0] != 0,
    }
