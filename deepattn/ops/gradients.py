"""Gradients of the compiled ops, so that tapes cross them any number of times.

Forces and virials are linear in `net_deriv`, and so is each gradient in its cotangent; the compiled
ops are each other's adjoints. What they do not compute (cotangents of `in_deriv`, `rij` and
`atom_virial`) is written in plain TensorFlow. The environment matrix has no gradient: forces come
from `prod_force_se_a`.
"""

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import NoReturn

import tensorflow as tf

from deepattn.ops import reference
from deepattn.ops.reference import pairs


def register(ops: ModuleType) -> None:
    """Registers the gradients of the ops in `ops`, a module made by `tf.load_op_library`."""

    @tf.RegisterGradient("ProdForceSeA")
    def force(op: tf.Operation, grad: tf.Tensor) -> tuple[tf.Tensor | None, ...]:
        net_deriv, in_deriv, nlist, natoms = op.inputs
        nnei = op.get_attr("n_a_sel")
        grad_net = ops.prod_force_se_a_grad(
            grad, net_deriv, in_deriv, nlist, natoms, n_a_sel=nnei, n_r_sel=0
        )
        grad_in = None
        if is_wanted(op, 1):
            grad_in = pairs.outer(net_deriv, pairs.force_differences(grad, nlist, natoms, nnei))
        return grad_net, grad_in, None, None

    @tf.RegisterGradient("ProdForceSeAGrad")
    def force_grad(op: tf.Operation, grad: tf.Tensor) -> tuple[tf.Tensor | None, ...]:
        grad_of_force, _, in_deriv, nlist, natoms = op.inputs
        nnei = op.get_attr("n_a_sel")
        grad_force = ops.prod_force_se_a(grad, in_deriv, nlist, natoms, n_a_sel=nnei, n_r_sel=0)[
            :, : tf.shape(grad_of_force)[1]
        ]
        grad_in = None
        if is_wanted(op, 2):
            grad_in = pairs.outer(grad, pairs.force_differences(grad_of_force, nlist, natoms, nnei))
        return grad_force, None, grad_in, None, None

    @tf.RegisterGradient("ProdVirialSeA")
    def virial(
        op: tf.Operation, grad: tf.Tensor, grad_atom: tf.Tensor
    ) -> tuple[tf.Tensor | None, ...]:
        net_deriv, in_deriv, rij, nlist, natoms = op.inputs
        nnei = op.get_attr("n_a_sel")
        grad_net = ops.prod_virial_se_a_grad(
            grad, net_deriv, in_deriv, rij, nlist, natoms, n_a_sel=nnei, n_r_sel=0
        )
        atoms_count = not is_zero(grad_atom)
        wants_in, wants_rij = is_wanted(op, 1), is_wanted(op, 2)
        if not (atoms_count or wants_in or wants_rij):
            return grad_net, None, None, None, None
        shares = pairs.spread_virial(grad, nlist)
        if atoms_count:
            of_atoms = pairs.gather_neighbors(grad_atom, nlist, width=9)
            grad_net += pairs.contract_virial(of_atoms, in_deriv, rij)
            shares += of_atoms
        grad_in = pairs.outer(net_deriv, pairs.along(shares, rij)) if wants_in else None
        grad_rij = pairs.across(shares, net_deriv, in_deriv) if wants_rij else None
        return grad_net, grad_in, grad_rij, None, None

    @tf.RegisterGradient("ProdVirialSeAGrad")
    def virial_grad(op: tf.Operation, grad: tf.Tensor) -> tuple[tf.Tensor | None, ...]:
        grad_of_virial, _, in_deriv, rij, nlist, natoms = op.inputs
        nnei = op.get_attr("n_a_sel")
        grad_virial, _ = ops.prod_virial_se_a(
            grad, in_deriv, rij, nlist, natoms, n_a_sel=nnei, n_r_sel=0
        )
        wants_in, wants_rij = is_wanted(op, 2), is_wanted(op, 3)
        grad_in = grad_rij = None
        if wants_in or wants_rij:
            shares = pairs.spread_virial(grad_of_virial, nlist)
            grad_in = pairs.outer(grad, pairs.along(shares, rij)) if wants_in else None
            grad_rij = pairs.across(shares, grad, in_deriv) if wants_rij else None
        return grad_virial, None, grad_in, grad_rij, None, None

    for suffix in ("", "Custom"):
        _register_gelu(ops, suffix)
    for name in ("ProdEnvMatA", "ProdEnvMatAMix"):
        tf.RegisterGradient(name)(_refuse)


def _register_gelu(ops: ModuleType, suffix: str) -> None:
    @tf.RegisterGradient("Gelu" + suffix)
    def gelu(op: tf.Operation, grad: tf.Tensor) -> tf.Tensor:
        return ops.gelu_grad_custom(grad, op.inputs[0])

    @tf.RegisterGradient("GeluGrad" + suffix)
    def gelu_grad(op: tf.Operation, grad: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        dy, x = op.inputs
        return ops.gelu_grad_custom(grad, x), ops.gelu_grad_grad_custom(grad, dy, x)

    @tf.RegisterGradient("GeluGradGrad" + suffix)
    def gelu_grad_grad(op: tf.Operation, grad: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        dy, dy2, x = op.inputs
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = reference.gelu_grad_grad(dy, dy2, x)
        return (
            ops.gelu_grad_grad_custom(grad, dy2, x),
            ops.gelu_grad_grad_custom(grad, dy, x),
            tape.gradient(y, x, output_gradients=grad),
        )


def _refuse(op: tf.Operation, *grads: tf.Tensor) -> NoReturn:
    raise LookupError(reference.NO_GRADIENT)


def is_wanted(op: tf.Operation, index: int) -> bool:
    """Whether anybody asked for the gradient of an input; a graph prunes what nobody uses."""
    skipped = getattr(op, "skip_input_indices", None)
    return skipped is None or index not in skipped


def is_zero(grad: tf.Tensor | None) -> bool:
    """Whether a cotangent is the zeros that TensorFlow fills in for an unused output."""
    if grad is None:
        return True
    if tf.executing_eagerly() or not hasattr(grad, "op"):
        return False
    if grad.op.type == "Fill":
        return tf.get_static_value(grad.op.inputs[1]) == 0
    if grad.op.type == "Const":
        return not tf.get_static_value(grad).any()
    return grad.op.type == "ZerosLike"


def by_reference(
    function: Callable, sources: Sequence[tf.Tensor], grads: Sequence[tf.Tensor]
) -> list:
    """Gradients by `sources` of a plain function, for the gradients `grads` by its results."""
    with tf.GradientTape() as tape:
        tape.watch(sources)
        outputs = function(*sources)
    return tape.gradient(outputs, sources, output_gradients=list(grads))
