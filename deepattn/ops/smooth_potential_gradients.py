"""Gradients of the compiled potential of a model without attention.

Those by the weights are compiled; others, and those of higher order, are of the reference
implementation.
"""

from collections.abc import Sequence
from types import ModuleType

import tensorflow as tf

from deepattn.ops import reference
from deepattn.ops.gradients import by_reference, is_wanted

# Inputs of the op: matrix, rij, nlist, ntype, type, davg, dstd, keep, switch_range and count; then
# those that it has gradients by, with lists of tensors among them.
_FIRST_WEIGHT = 10
_ATTRIBUTES = "sel empty_types net_of_pair axis sees_center excluded_is_average keeps_empty copies"


def register(ops: ModuleType) -> None:
    """Registers the gradients of the ops in `ops`, a module made by `tf.load_op_library`."""

    @tf.RegisterGradient("DeepattnSmoothPotential")
    def potential(
        op: tf.Operation, grad_energy: tf.Tensor, grad_derivative: tf.Tensor, _: tf.Tensor
    ) -> list[tf.Tensor | None]:
        if op.get_attr("with_descriptor"):
            raise NotImplementedError("a potential with descriptors is not differentiated")
        grads = [grad_energy, grad_derivative]
        attributes = _attributes(op)
        by_matrix = None
        if is_wanted(op, 0):
            others = op.inputs[1:]

            def function(matrix: tf.Tensor) -> list[tf.Tensor]:
                arguments = _arguments(op, [matrix, *others])
                return list(reference.smooth_potential(*arguments, **attributes))

            [by_matrix] = by_reference(function, [op.inputs[0]], grads)
        results = ops.deepattn_smooth_potential_grad(
            *_arguments(op, op.inputs), *grads, **attributes
        )
        by_weights = tf.nest.flatten(list(results))
        return [by_matrix, *[None] * (_FIRST_WEIGHT - 1), *by_weights]

    @tf.RegisterGradient("DeepattnSmoothPotentialGrad")
    def potential_grad(op: tf.Operation, *grad_grads: tf.Tensor) -> list[tf.Tensor | None]:
        *inputs, grad_energy, grad_derivative = op.inputs
        fixed = inputs[1:_FIRST_WEIGHT]

        def function(matrix: tf.Tensor, *sources: tf.Tensor) -> list[tf.Tensor]:
            *weights, of_energy, of_derivative = sources

            def results(*weights: tf.Tensor) -> list[tf.Tensor]:
                arguments = _arguments(op, [matrix, *fixed, *weights])
                return list(reference.smooth_potential(*arguments, **_attributes(op)))

            gradients = by_reference(results, weights, [of_energy, of_derivative])
            return [
                tf.zeros_like(weight) if gradient is None else tf.convert_to_tensor(gradient)
                for weight, gradient in zip(weights, gradients, strict=True)
            ]

        sources = [inputs[0], *inputs[_FIRST_WEIGHT:], grad_energy, grad_derivative]
        by_matrix, *by_others = by_reference(function, sources, grad_grads)
        return [by_matrix, *[None] * (_FIRST_WEIGHT - 1), *by_others]


def _attributes(op: tf.Operation) -> dict:
    """The op's attributes as its Python function takes them."""
    found = {name: op.get_attr(name) for name in _ATTRIBUTES.split()}
    return {**found, "switch": op.get_attr("switch").decode()}


def _arguments(op: tf.Operation, inputs: Sequence[tf.Tensor]) -> list:
    """The op's inputs as its Python function takes them, with lists."""
    nets, layers, fittings, hidden = (
        op.get_attr(name) for name in ("nnets", "nmatrices", "nfittings", "nhidden")
    )
    left = iter(inputs)

    def take(count: int) -> list[tf.Tensor]:
        return [next(left) for _ in range(count)]

    arguments = take(_FIRST_WEIGHT + 3)
    arguments += [take(count) for count in (nets, layers, layers, layers)]
    arguments += take(3)
    return arguments + [take(count) for count in (hidden, hidden, hidden, fittings, fittings)]
