"""Gradients of the compiled gated attention, so that tapes cross it any number of times.

The backward pass is compiled, without parameters where nobody asks for their gradients, as when
forces are computed. The double backward of that is compiled too, in two parts: the tangent pass,
which gives ``grad_grad_output``, and the reverse pass, which gives the rest. In a graph the
reverse pass waits until the gradient by the attention's output is known as well and takes both
together: see `_saved_tangents`. Beyond, the reference implementations are differentiated: third
derivatives, and second ones by two parameters. The names are explained in
``ops/kernels/common/passes.h``.
"""

from collections.abc import Sequence
from types import ModuleType

import tensorflow as tf

from deepattn.ops import reference
from deepattn.ops.gradients import by_reference, is_wanted, is_zero

# Inputs of the op: embedding, direction, weight, count, padding, ln_eps, ten parameters. Those of
# the backward pass have in addition what the op saved and `grad_output`; the tangent pass has
# `grad_grad_embedding`, `grad_grad_direction` and `grad_grad_weight` in the place of the latter.
_PARAMETERS = slice(6, 16)
_SAVED = 16
_GRAD_OUTPUT = 17
_LINK = 18
_GRAD_GRADS = slice(17, 20)
_OPTIONS = ("dotr", "mask", "smooth")


def register(ops: ModuleType) -> None:
    """Registers the gradients of the ops in `ops`, a module made by `tf.load_op_library`."""

    @tf.RegisterGradient("DeepattnGatedAttention")
    def attention(
        op: tf.Operation, grad: tf.Tensor, _: tf.Tensor, grad_link: tf.Tensor | None
    ) -> list[tf.Tensor | None]:
        inputs = (*op.inputs, op.outputs[1])
        options = _options(op)
        saved_tangents = _saved_tangents(op.outputs[2], grad_link)
        if saved_tangents is not None:
            [first] = _holders(op.outputs[2])
            grad_grads = saved_tangents.op.inputs[_GRAD_GRADS]
            gradients = ops.deepattn_gated_attention_reverse(
                *inputs, first.inputs[_GRAD_OUTPUT], *grad_grads, saved_tangents, grad, **options
            )
        elif any(is_wanted(op, k) for k in range(*_PARAMETERS.indices(len(op.inputs)))):
            gradients = ops.deepattn_gated_attention_full_grad(*inputs, grad, **options)
        else:
            link = _free_link(op.outputs[2])
            gradients = [*ops.deepattn_gated_attention_grad(*inputs, grad, link, **options)]
            gradients += [None] * 10
        return _spread(op, gradients)

    @tf.RegisterGradient("DeepattnGatedAttentionGrad")
    def attention_grad(op: tf.Operation, *grad_grads: tf.Tensor) -> list[tf.Tensor | None]:
        inputs, (saved, grad_output, link) = op.inputs[:_SAVED], op.inputs[_SAVED:]
        options = _options(op)
        grad_grad_output, saved_tangents = ops.deepattn_gated_attention_tangent(
            *inputs, saved, *grad_grads, **options
        )
        # A tape that has not seen the attention itself would never come to its gradient.
        linked = tf.is_symbolic_tensor(link) and link.op.type == "DeepattnGatedAttention"
        if linked and is_wanted(op, _LINK):
            return [*[None] * _SAVED, None, grad_grad_output, saved_tangents]
        gradients = ops.deepattn_gated_attention_reverse(
            *inputs,
            saved,
            grad_output,
            *grad_grads,
            saved_tangents,
            tf.zeros_like(grad_output),
            **options,
        )
        return [*_spread(op, gradients), None, grad_grad_output, None]

    @tf.RegisterGradient("DeepattnGatedAttentionFullGrad")
    def attention_full_grad(op: tf.Operation, *grad_grads: tf.Tensor) -> list[tf.Tensor | None]:
        *inputs, _, grad = op.inputs
        options = _options(op)

        def function(grad: tf.Tensor, *sources: tf.Tensor) -> tf.Tensor | list[tf.Tensor]:
            return reference.gated_attention_backward(grad, *_merge(inputs, sources), **options)

        by_grad, *gradients = by_reference(function, [grad, *_sources(inputs)], grad_grads)
        return [*_spread(op, gradients), None, by_grad]

    @tf.RegisterGradient("DeepattnGatedAttentionTangent")
    def attention_tangent(
        op: tf.Operation, grad_tangent: tf.Tensor, _: tf.Tensor
    ) -> list[tf.Tensor | None]:
        inputs, first_grad_grads = op.inputs[:_SAVED], op.inputs[_GRAD_GRADS]
        options = _options(op)

        def function(*sources: tf.Tensor) -> tf.Tensor | list[tf.Tensor]:
            return reference.gated_attention_tangent(
                *sources[:3], *_merge(inputs, sources[3:]), **options
            )

        gradients = by_reference(function, [*first_grad_grads, *_sources(inputs)], [grad_tangent])
        return [*_spread(op, gradients[3:]), None, *gradients[:3]]

    @tf.RegisterGradient("DeepattnGatedAttentionReverse")
    def attention_reverse(op: tf.Operation, *grad_grads: tf.Tensor) -> list[tf.Tensor | None]:
        inputs, (_, grad, *first_grad_grads, _, outer_grad_output) = (
            op.inputs[:_SAVED],
            op.inputs[_SAVED:],
        )
        options = _options(op)

        def function(
            grad: tf.Tensor, outer_grad_output: tf.Tensor, *others: tf.Tensor
        ) -> tf.Tensor | list[tf.Tensor]:
            return reference.gated_attention_reverse(
                grad, *others[:3], outer_grad_output, *_merge(inputs, others[3:]), **options
            )

        sources = [grad, outer_grad_output, *first_grad_grads, *_sources(inputs)]
        by_grad, grad_outer, *gradients = by_reference(function, sources, grad_grads)
        return [*_spread(op, gradients[3:]), None, by_grad, *gradients[:3], None, grad_outer]


def _free_link(link: tf.Tensor) -> tf.Tensor:
    """The attention's output that ties one gradient op to it, or a stand-in if that is taken."""
    if tf.is_symbolic_tensor(link) and not _holders(link):
        return link
    return tf.zeros([0], link.dtype)


def _holders(link: tf.Tensor) -> list[tf.Operation]:
    return [op for op in link.consumers() if op.type == "DeepattnGatedAttentionGrad"]


def _saved_tangents(link: tf.Tensor, grad_link: tf.Tensor | None) -> tf.Tensor | None:
    """What the tangent pass saved, if a derivative comes through the op that holds the link.

    That gradient op has left its own gradients by the attention's inputs to the attention's, and
    given what its tangent pass saved for the gradient by the link. Through the link a tape comes
    to the attention after all that follows from it.

    Where the attention is in a function, its outputs may leave it unasked, and what comes back for
    them is a placeholder: nothing, as no gradient op outside takes the link.
    """
    if grad_link is None or not tf.is_symbolic_tensor(grad_link):
        return None
    if is_zero(grad_link) or not _holders(link):
        return None
    while grad_link.op.type == "Identity":
        [grad_link] = grad_link.op.inputs
    if grad_link.op.type == "Placeholder":
        return None
    if grad_link.op.type != "DeepattnGatedAttentionTangent":
        raise RuntimeError(f"the link of an attention came back from a {grad_link.op.type}")
    return grad_link


def _options(op: tf.Operation) -> dict[str, bool]:
    return {name: op.get_attr(name) for name in _OPTIONS}


def _sources(inputs: Sequence) -> list:
    """Of the op's inputs those that have gradients."""
    return [*inputs[:3], *inputs[_PARAMETERS]]


def _merge(inputs: Sequence, sources: Sequence) -> list:
    """The op's inputs with `sources` in the places of `_sources`."""
    return [*sources[:3], *inputs[3 : _PARAMETERS.start], *sources[3:]]


def _spread(op: tf.Operation, gradients: Sequence) -> list:
    """Gradients by `_sources` in the places of the op's inputs.

    The weights of plain attention are a mask, which has no derivatives.
    """
    embedding, direction, weight, *parameters = gradients
    if not op.get_attr("smooth"):
        weight = None
    return [embedding, direction, weight, None, None, None, *parameters]
