"""A fitting net in the form in which one operation evaluates descriptor, net and forces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from deepattn import ops

if TYPE_CHECKING:
    from deepattn.fittings.ener.layer import EnergyFitting
    from deepattn.layers.residual_dense import ResidualDense


def hidden_layers(
    fitting: EnergyFitting,
    type_embedding: tf.Tensor | None,
    fparam: tf.Tensor | None,
    aparam: tf.Tensor | None,
) -> tuple[ops.HiddenLayers, tf.Tensor] | None:
    """The net as `deepattn.ops.tabulated_potential` takes it; None for one that it does not.

    Inputs of the net besides the descriptor depend on an atom's type, on its frame or on the atom
    itself; what the first layer makes of them is computed apart.

    Args:
        fitting: The fitting.
        type_embedding, fparam, aparam: As of a call.

    Returns:
        The net, and the energy of each type that is added to its output, ``[ntypes]``, eV.
    """
    stack = fitting.nets[0].stack
    parameters = fitting.numb_fparam or fitting.numb_aparam
    if (
        not fitting.shared
        or fitting.activation != "tanh"
        or stack[0].copies
        or len(stack) - 1 > ops.MOST_HIDDEN
        or (fitting.subtract_vacuum and parameters)
    ):
        return None
    first, *hidden, output = (_weights(layer) for layer in stack)
    widths = (
        fitting.descriptor_width,
        fitting.tebd_dim,
        fitting.numb_fparam,
        fitting.numb_aparam,
        fitting.dim_case_embd,
    )
    of_descriptor, of_type, of_frame, of_atom, of_case = tf.split(first.matrix, widths)

    def product(rows: tf.Tensor, matrix: tf.Tensor) -> tf.Tensor:
        return tf.matmul(tf.cast(rows, fitting.compute_dtype), matrix)

    type_offset = tf.zeros([fitting.ntypes, first.matrix.shape[1]], fitting.compute_dtype)
    if first.bias is not None:
        type_offset += first.bias
    if type_embedding is not None and fitting.tebd_dim:
        type_offset += product(type_embedding[: fitting.ntypes], of_type)
    if fitting.dim_case_embd:
        type_offset += product(tf.convert_to_tensor(fitting.case_embd)[tf.newaxis], of_case)
    frame_offset = atom_offset = None
    if fitting.numb_fparam:
        frame_offset = product(fitting.standardize("fparam", fparam), of_frame)
    if fitting.numb_aparam and aparam is not None:
        rows = tf.reshape(aparam, [-1, fitting.numb_aparam])
        atom_offset = product(fitting.standardize("aparam", rows), of_atom)
    net = ops.HiddenLayers(
        layers=[ops.DenseLayer(of_descriptor, None, first.step), *hidden],
        copies=[layer.copies for layer in stack[:-1]],
        output=output,
        type_offset=type_offset,
        frame_offset=frame_offset,
        atom_offset=atom_offset,
    )
    return net, tf.convert_to_tensor(fitting.bias_atom_e) - fitting.vacuum_energies(type_embedding)


def _weights(layer: ResidualDense) -> ops.DenseLayer:
    return ops.DenseLayer(
        *(
            None if variable is None else tf.convert_to_tensor(variable)
            for variable in (layer.matrix, layer.bias, layer.idt)
        )
    )
