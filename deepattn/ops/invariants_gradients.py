"""Gradients of compiled invariants. These are quadratic: the gradients are each other's."""

from types import ModuleType
from typing import Any

import tensorflow as tf


def register(ops: ModuleType) -> None:
    """Registers the gradients of the ops in `ops`, a module made by `tf.load_op_library`."""

    @tf.RegisterGradient("DeepattnInvariants")
    def invariants(op: tf.Operation, grad: tf.Tensor) -> tf.Tensor:
        return ops.deepattn_invariants_grad(op.inputs[0], grad, **_options(op))

    @tf.RegisterGradient("DeepattnInvariantsTangent")
    def tangent(op: tf.Operation, grad: tf.Tensor) -> list[tf.Tensor]:
        rows, tangent = op.inputs
        return [ops.deepattn_invariants_grad(x, grad, **_options(op)) for x in (tangent, rows)]

    @tf.RegisterGradient("DeepattnInvariantsGrad")
    def gradient(op: tf.Operation, grad_grad: tf.Tensor) -> list[tf.Tensor]:
        rows, grad = op.inputs
        return [
            ops.deepattn_invariants_grad(grad_grad, grad, **_options(op)),
            ops.deepattn_invariants_tangent(rows, grad_grad, **_options(op)),
        ]


def _options(op: tf.Operation) -> dict[str, Any]:
    return {name: op.get_attr(name) for name in ("axis", "axis_first")}
