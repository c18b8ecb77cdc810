"""Gradients of the compiled ops over tables, so that tapes cross them any number of times.

The first is compiled, beyond it the reference implementations are differentiated. Tables are
constants.
"""

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import tensorflow as tf

from deepattn.ops import reference
from deepattn.ops.gradients import by_reference

# Places of the inputs that have gradients: rows and weight, and the matrix behind the tables.
_ROWS, _WEIGHT, _MATRIX = 2, 3, 6
_EM_X, _EM, _TWO_EMBED = 2, 3, 4


def register_own(ops: ModuleType) -> None:
    """Registers the gradients of the ops of our own names in `ops`."""
    embedding = (ops.deepattn_tabulated_embedding_grad, reference.tabulated_embedding)
    contraction = (ops.deepattn_tabulated_contraction_grad, reference.tabulated_contraction)
    _register("DeepattnTabulatedEmbedding", *embedding, [_ROWS, _WEIGHT])
    _register("DeepattnTabulatedContraction", *contraction, [_ROWS, _WEIGHT, _MATRIX])


def register_stock(ops: ModuleType) -> None:
    """Registers the gradients of DeePMD-kit's ops in `ops`."""
    _register_stock("TabulateFusionSeA", ops.tabulate_fusion_se_a_grad, [_EM_X, _EM])
    _register_stock(
        "TabulateFusionSeAtten", ops.tabulate_fusion_se_atten_grad, [_EM_X, _EM, _TWO_EMBED]
    )


def _register_stock(name: str, grad_op: Callable, places: Sequence[int]) -> None:
    with_factors = _TWO_EMBED in places

    @tf.RegisterGradient(name)
    def gradient(op: tf.Operation, grad: tf.Tensor) -> list[tf.Tensor | None]:
        options = {"is_sorted": op.get_attr("is_sorted")} if with_factors else {}
        results = grad_op(*op.inputs, grad, op.outputs[0], **options)
        return _spread(results, places, len(op.inputs))

    @tf.RegisterGradient(name + "Grad")
    def double_backward(op: tf.Operation, *grad_grads: tf.Tensor) -> list[tf.Tensor | None]:
        *inputs, grad, _ = op.inputs
        width = grad.shape[-1]
        none = [] if with_factors else [tf.zeros([0, width], grad.dtype)]

        def function(*arguments: tf.Tensor) -> tf.Tensor:
            return reference.tabulate_fusion_se_atten(*arguments, *none, last_layer_size=width)

        return [*_double_backward(function, inputs, places, grad, grad_grads), None]


def _register(name: str, grad_op: Callable, reference_op: Callable, places: Sequence[int]) -> None:
    @tf.RegisterGradient(name)
    def gradient(op: tf.Operation, grad: tf.Tensor) -> list[tf.Tensor | None]:
        results = grad_op(*op.inputs, grad, width=op.get_attr("width"))
        return _spread(results, places, len(op.inputs))

    @tf.RegisterGradient(name + "Grad")
    def double_backward(op: tf.Operation, *grad_grads: tf.Tensor) -> list[tf.Tensor | None]:
        *inputs, grad = op.inputs
        width = op.get_attr("width")

        def function(*arguments: tf.Tensor) -> tf.Tensor:
            return reference_op(*arguments, width=width)

        return _double_backward(function, inputs, places, grad, grad_grads)


def _double_backward(
    function: Callable[..., Any],
    inputs: Sequence[tf.Tensor],
    places: Sequence[int],
    grad: tf.Tensor,
    grad_grads: Sequence[tf.Tensor],
) -> list:
    """Gradients by `inputs` and `grad` of a plain function's gradients, as autodiff has them."""

    def gradients(grad: tf.Tensor, *sources: tf.Tensor) -> list[tf.Tensor]:
        arguments = list(inputs)
        for place, source in zip(places, sources, strict=True):
            arguments[place] = source
        found = by_reference(lambda *_: function(*arguments), sources, [grad])
        return [
            tf.zeros_like(source) if gradient is None else gradient
            for source, gradient in zip(sources, found, strict=True)
        ]

    sources = [inputs[place] for place in places]
    by_grad, *by_sources = by_reference(gradients, [grad, *sources], grad_grads)
    return [*_spread(by_sources, places, len(inputs)), by_grad]


def _spread(gradients: Sequence[tf.Tensor | None], places: Sequence[int], number: int) -> list:
    """Gradients in the places of the inputs that have them."""
    spread: list = [None] * number
    for place, gradient in zip(places, gradients, strict=True):
        spread[place] = gradient
    return spread
