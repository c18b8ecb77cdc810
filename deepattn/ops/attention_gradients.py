"""Gradients of the compiled gated attention, so that tapes cross it any number of times.

A gradient is the compiled op's own: the one without parameters where nobody asks for theirs, as
when forces are computed. The gradient of that one is compiled too, in two parts: the tangent, which
is the gradient by its cotangent, and a reverse pass, which is the rest. In a graph the reverse pass
waits until the gradient by the attention's output is known as well and takes both together: see
`_linked`. Beyond, the twins are differentiated: third derivatives, and second ones by two
parameters.
"""

from collections.abc import Sequence
from types import ModuleType

import tensorflow as tf

from deepattn.ops import twins
from deepattn.ops.gradients import by_twin, is_wanted, is_zero

# Inputs of the op: embedding, direction, weight, count, padding, ln_eps, ten parameters. Those of
# the gradients go on with what the op kept for them, then the cotangents.
_PARAMETERS = slice(6, 16)
_KEPT = 16
_OPTIONS = ("dotr", "mask", "smooth")


def register(ops: ModuleType) -> None:
    """Registers the gradients of the ops in `ops`, a module made by `tf.load_op_library`."""

    @tf.RegisterGradient("DeepattnGatedAttention")
    def attention(op, grad, _, by_link):
        inputs = (*op.inputs, op.outputs[1])
        options = _options(op)
        tangent = _linked(by_link)
        if tangent is not None:
            [first] = _holders(op.outputs[2])
            bars = tangent.inputs[_KEPT + 1 :]
            gradients = ops.deepattn_gated_attention_reverse(
                *inputs, first.inputs[_KEPT + 1], *bars, by_link, grad, **options
            )
        elif any(is_wanted(op, k) for k in range(*_PARAMETERS.indices(len(op.inputs)))):
            gradients = ops.deepattn_gated_attention_full_grad(*inputs, grad, **options)
        else:
            link = _free_link(op.outputs[2])
            gradients = [*ops.deepattn_gated_attention_grad(*inputs, grad, link, **options)]
            gradients += [None] * 10
        return _spread(op, gradients)

    @tf.RegisterGradient("DeepattnGatedAttentionGrad")
    def attention_grad(op, *bars):
        inputs, (kept, grad, link) = op.inputs[:_KEPT], op.inputs[_KEPT:]
        options = _options(op)
        by_grad, state = ops.deepattn_gated_attention_tangent(*inputs, kept, *bars, **options)
        if tf.is_symbolic_tensor(link) and link.op.type == "DeepattnGatedAttention":
            return [*[None] * _KEPT, None, by_grad, state]
        gradients = ops.deepattn_gated_attention_reverse(
            *inputs, kept, grad, *bars, state, tf.zeros_like(grad), **options
        )
        return [*_spread(op, gradients), None, by_grad, None]

    @tf.RegisterGradient("DeepattnGatedAttentionFullGrad")
    def attention_full_grad(op, *bars):
        *inputs, _, grad = op.inputs
        options = _options(op)

        def function(grad, *sources):
            return twins.gated_attention_grad(grad, *_merge(inputs, sources), **options)

        by_grad, *gradients = by_twin(function, [grad, *_sources(inputs)], bars)
        return [*_spread(op, gradients), None, by_grad]

    @tf.RegisterGradient("DeepattnGatedAttentionTangent")
    def attention_tangent(op, bar, _):
        inputs, first_bars = op.inputs[:_KEPT], op.inputs[_KEPT + 1 :]
        options = _options(op)

        def function(*sources):
            return twins.gated_attention_tangent(
                *sources[:3], *_merge(inputs, sources[3:]), **options
            )

        gradients = by_twin(function, [*first_bars, *_sources(inputs)], [bar])
        return [*_spread(op, gradients[3:]), None, *gradients[:3]]

    @tf.RegisterGradient("DeepattnGatedAttentionReverse")
    def attention_reverse(op, *bars):
        inputs, (_, grad, *first_bars, _, bar_output) = op.inputs[:_KEPT], op.inputs[_KEPT:]
        options = _options(op)

        def function(grad, bar_output, *others):
            return twins.gated_attention_reverse(
                grad, *others[:3], bar_output, *_merge(inputs, others[3:]), **options
            )

        sources = [grad, bar_output, *first_bars, *_sources(inputs)]
        by_grad, by_output, *gradients = by_twin(function, sources, bars)
        return [*_spread(op, gradients[3:]), None, by_grad, *gradients[:3], None, by_output]


def _free_link(link: tf.Tensor) -> tf.Tensor:
    """The attention's output that ties one gradient op to it, or a stand-in if that is taken."""
    if tf.is_symbolic_tensor(link) and not _holders(link):
        return link
    return tf.zeros([0], link.dtype)


def _holders(link: tf.Tensor) -> list[tf.Operation]:
    return [op for op in link.consumers() if op.type == "DeepattnGatedAttentionGrad"]


def _linked(by_link: tf.Tensor | None) -> tf.Operation | None:
    """The tangent of the gradient op that holds the link, where this derivative goes through it.

    That gradient op has left its own gradients by the attention's inputs to the attention's, and
    given the tangent's state for the gradient by the link. Through the link the tape comes to the
    attention after all that follows from it.
    """
    if not tf.is_symbolic_tensor(by_link) or is_zero(by_link):
        return None
    if by_link.op.type != "DeepattnGatedAttentionTangent":
        raise RuntimeError(f"the link of an attention came back from a {by_link.op.type}")
    return by_link.op


def _options(op) -> dict[str, bool]:
    return {name: op.get_attr(name) for name in _OPTIONS}


def _sources(inputs: Sequence) -> list:
    """Of the op's inputs those that have gradients."""
    return [*inputs[:3], *inputs[_PARAMETERS]]


def _merge(inputs: Sequence, sources: Sequence) -> list:
    """The op's inputs with `sources` in the places of `_sources`."""
    return [*sources[:3], *inputs[3 : _PARAMETERS.start], *sources[3:]]


def _spread(op, gradients: Sequence) -> list:
    """Gradients by `_sources` in the places of the op's inputs.

    The weights of plain attention are a mask, which has no derivatives.
    """
    embedding, direction, weight, *parameters = gradients
    if not op.get_attr("smooth"):
        weight = None
    return [embedding, direction, weight, None, None, None, *parameters]
