"""Gradients of the compiled gated attention, so that tapes cross it any number of times.

A gradient is the compiled op's own: the one without parameters where nobody asks for theirs, as
when forces are computed. The gradient of that one is compiled too, in two parts: the tangent, which
is the gradient by its cotangent, and a reverse pass, which is the rest. In a graph the reverse pass
waits until the gradient by the attention's output is known as well and takes both together: see
`_state`. Beyond, the reference implementations are differentiated: third derivatives, and second
ones by two parameters.
"""

from collections.abc import Sequence
from types import ModuleType

import tensorflow as tf

from deepattn.ops import reference
from deepattn.ops.gradients import by_reference, is_wanted, is_zero

# Inputs of the op: embedding, direction, weight, count, padding, ln_eps, ten parameters. Those of
# the gradients go on with what the op kept for them and the cotangent; the tangent has the bars
# there.
_PARAMETERS = slice(6, 16)
_KEPT = 16
_GRAD = 17
_LINK = 18
_BARS = slice(17, 20)
_OPTIONS = ("dotr", "mask", "smooth")


def register(ops: ModuleType) -> None:
    """Registers the gradients of the ops in `ops`, a module made by `tf.load_op_library`."""

    @tf.RegisterGradient("DeepattnGatedAttention")
    def attention(
        op: tf.Operation, grad: tf.Tensor, _: tf.Tensor, by_link: tf.Tensor | None
    ) -> list[tf.Tensor | None]:
        inputs = (*op.inputs, op.outputs[1])
        options = _options(op)
        state = _state(op.outputs[2], by_link)
        if state is not None:
            [first] = _holders(op.outputs[2])
            bars = state.op.inputs[_BARS]
            gradients = ops.deepattn_gated_attention_reverse(
                *inputs, first.inputs[_GRAD], *bars, state, grad, **options
            )
        elif any(is_wanted(op, k) for k in range(*_PARAMETERS.indices(len(op.inputs)))):
            gradients = ops.deepattn_gated_attention_full_grad(*inputs, grad, **options)
        else:
            link = _free_link(op.outputs[2])
            gradients = [*ops.deepattn_gated_attention_grad(*inputs, grad, link, **options)]
            gradients += [None] * 10
        return _spread(op, gradients)

    @tf.RegisterGradient("DeepattnGatedAttentionGrad")
    def attention_grad(op: tf.Operation, *bars: tf.Tensor) -> list[tf.Tensor | None]:
        inputs, (kept, grad, link) = op.inputs[:_KEPT], op.inputs[_KEPT:]
        options = _options(op)
        by_grad, state = ops.deepattn_gated_attention_tangent(*inputs, kept, *bars, **options)
        # A tape that has not seen the attention itself would never come to its gradient.
        linked = tf.is_symbolic_tensor(link) and link.op.type == "DeepattnGatedAttention"
        if linked and is_wanted(op, _LINK):
            return [*[None] * _KEPT, None, by_grad, state]
        gradients = ops.deepattn_gated_attention_reverse(
            *inputs, kept, grad, *bars, state, tf.zeros_like(grad), **options
        )
        return [*_spread(op, gradients), None, by_grad, None]

    @tf.RegisterGradient("DeepattnGatedAttentionFullGrad")
    def attention_full_grad(op: tf.Operation, *bars: tf.Tensor) -> list[tf.Tensor | None]:
        *inputs, _, grad = op.inputs
        options = _options(op)

        def function(grad: tf.Tensor, *sources: tf.Tensor) -> tf.Tensor | list[tf.Tensor]:
            return reference.gated_attention_grad(grad, *_merge(inputs, sources), **options)

        by_grad, *gradients = by_reference(function, [grad, *_sources(inputs)], bars)
        return [*_spread(op, gradients), None, by_grad]

    @tf.RegisterGradient("DeepattnGatedAttentionTangent")
    def attention_tangent(op: tf.Operation, bar: tf.Tensor, _: tf.Tensor) -> list[tf.Tensor | None]:
        inputs, first_bars = op.inputs[:_KEPT], op.inputs[_BARS]
        options = _options(op)

        def function(*sources: tf.Tensor) -> tf.Tensor | list[tf.Tensor]:
            return reference.gated_attention_tangent(
                *sources[:3], *_merge(inputs, sources[3:]), **options
            )

        gradients = by_reference(function, [*first_bars, *_sources(inputs)], [bar])
        return [*_spread(op, gradients[3:]), None, *gradients[:3]]

    @tf.RegisterGradient("DeepattnGatedAttentionReverse")
    def attention_reverse(op: tf.Operation, *bars: tf.Tensor) -> list[tf.Tensor | None]:
        inputs, (_, grad, *first_bars, _, bar_output) = op.inputs[:_KEPT], op.inputs[_KEPT:]
        options = _options(op)

        def function(
            grad: tf.Tensor, bar_output: tf.Tensor, *others: tf.Tensor
        ) -> tf.Tensor | list[tf.Tensor]:
            return reference.gated_attention_reverse(
                grad, *others[:3], bar_output, *_merge(inputs, others[3:]), **options
            )

        sources = [grad, bar_output, *first_bars, *_sources(inputs)]
        by_grad, by_output, *gradients = by_reference(function, sources, bars)
        return [*_spread(op, gradients[3:]), None, by_grad, *gradients[:3], None, by_output]


def _free_link(link: tf.Tensor) -> tf.Tensor:
    """The attention's output that ties one gradient op to it, or a stand-in if that is taken."""
    if tf.is_symbolic_tensor(link) and not _holders(link):
        return link
    return tf.zeros([0], link.dtype)


def _holders(link: tf.Tensor) -> list[tf.Operation]:
    return [op for op in link.consumers() if op.type == "DeepattnGatedAttentionGrad"]


def _state(link: tf.Tensor, by_link: tf.Tensor | None) -> tf.Tensor | None:
    """The tangent's state, where a derivative comes through the gradient op that holds the link.

    That gradient op has left its own gradients by the attention's inputs to the attention's, and
    given the state for the gradient by the link. Through the link a tape comes to the attention
    after all that follows from it.

    Where the attention is in a function, its outputs may leave it unasked, and what comes back for
    them is a placeholder: nothing, as no gradient op outside takes the link.
    """
    if by_link is None or not tf.is_symbolic_tensor(by_link):
        return None
    if is_zero(by_link) or not _holders(link):
        return None
    while by_link.op.type == "Identity":
        [by_link] = by_link.op.inputs
    if by_link.op.type == "Placeholder":
        return None
    if by_link.op.type != "DeepattnGatedAttentionTangent":
        raise RuntimeError(f"the link of an attention came back from a {by_link.op.type}")
    return by_link


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
