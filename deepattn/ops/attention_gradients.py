"""Gradients of the compiled gated attention, so that tapes cross it any number of times.

A gradient is the compiled op's own: the one without parameters where nobody asks for theirs, as
when forces are computed. The gradient of that one is compiled too. Beyond, the twins are
differentiated: third derivatives, and second ones by two parameters.
"""

from collections.abc import Sequence
from types import ModuleType

import tensorflow as tf

from deepattn.ops import twins
from deepattn.ops.gradients import by_twin, is_wanted

# Inputs of the op: embedding, direction, weight, count, padding, ln_eps, ten parameters. Those of
# the gradients go on with what the op kept for them, then the cotangents.
_PARAMETERS = slice(6, 16)
_KEPT = 16
_OPTIONS = ("dotr", "mask", "smooth")


def register(ops: ModuleType) -> None:
    """Registers the gradients of the ops in `ops`, a module made by `tf.load_op_library`."""

    @tf.RegisterGradient("DeepattnGatedAttention")
    def attention(op, grad, *_):
        inputs = (*op.inputs, op.outputs[1], grad)
        if any(is_wanted(op, k) for k in range(*_PARAMETERS.indices(len(op.inputs)))):
            gradients = ops.deepattn_gated_attention_full_grad(*inputs, **_options(op))
        else:
            gradients = [*ops.deepattn_gated_attention_grad(*inputs, **_options(op))]
            gradients += [None] * 10
        if not op.get_attr("smooth"):
            gradients = _without_weight(gradients)
        return _spread(gradients)

    @tf.RegisterGradient("DeepattnGatedAttentionGrad")
    def attention_grad(op, *bars):
        by_grad, *gradients = ops.deepattn_gated_attention_grad_grad(
            *op.inputs, *bars, **_options(op)
        )
        if not op.get_attr("smooth"):
            gradients = _without_weight(gradients)
        return [*_spread(gradients), None, by_grad]

    @tf.RegisterGradient("DeepattnGatedAttentionFullGrad")
    def attention_full_grad(op, *bars):
        *inputs, _, grad = op.inputs
        options = _options(op)

        def function(grad, *sources):
            return twins.gated_attention_grad(grad, *_merge(inputs, sources), **options)

        by_grad, *gradients = by_twin(function, [grad, *_sources(inputs)], bars)
        return [*_spread(gradients), None, by_grad]

    @tf.RegisterGradient("DeepattnGatedAttentionGradGrad")
    def attention_grad_grad(op, *bars):
        inputs, (grad, *first_bars) = op.inputs[:_KEPT], op.inputs[_KEPT + 1 :]
        options = _options(op)

        def function(grad, *others):
            return twins.gated_attention_grad_grad(
                grad, *others[:3], *_merge(inputs, others[3:]), **options
            )

        by_grad, *gradients = by_twin(function, [grad, *first_bars, *_sources(inputs)], bars)
        return [*_spread(gradients[3:]), None, by_grad, *gradients[:3]]


def _without_weight(gradients: Sequence) -> list:
    """The weights of plain attention are a mask, which has no derivatives."""
    return [*gradients[:2], None, *gradients[3:]]


def _options(op) -> dict[str, bool]:
    return {name: op.get_attr(name) for name in _OPTIONS}


def _sources(inputs: Sequence) -> list:
    """Of the op's inputs those that have gradients."""
    return [*inputs[:3], *inputs[_PARAMETERS]]


def _merge(inputs: Sequence, sources: Sequence) -> list:
    """The op's inputs with `sources` in the places of `_sources`."""
    return [*sources[:3], *inputs[3 : _PARAMETERS.start], *sources[3:]]


def _spread(gradients: Sequence) -> list:
    """Gradients by `_sources` in the places of the op's inputs."""
    return [*gradients[:3], None, None, None, *gradients[3:]]
