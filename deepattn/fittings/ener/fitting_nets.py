"""Fitting nets in the form in which one operation evaluates descriptor, nets and forces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from deepattn import ops

if TYPE_CHECKING:
    from deepattn.fittings.ener.layer import EnergyFitting
    from deepattn.layers.residual_dense import ResidualDense


def fitting_nets(
    fitting: EnergyFitting,
    type_embedding: tf.Tensor | None,
    fparam: tf.Tensor | None,
    aparam: tf.Tensor | None,
) -> tuple[ops.FittingNets, tf.Tensor] | None:
    """The nets as `deepattn.ops.tabulated_potential` takes them; None where it does not.

    Inputs of a net besides the descriptor depend on an atom's type, on its frame or on the atom
    itself; the first layer's sums over them are computed here.

    Args:
        fitting: The fitting.
        type_embedding, fparam, aparam: As of a call.

    Returns:
        The nets, and the energy of each type that is added to their output, ``[ntypes]``, eV.
    """
    stacks = [net.stack for net in fitting.nets]
    parameters = fitting.numb_fparam or fitting.net_aparam
    if (
        fitting.activation != "tanh"
        or stacks[0][0].product is not ops.product
        or stacks[0][0].copies
        or len(stacks[0]) - 1 > ops.MOST_HIDDEN
        or (parameters and (fitting.subtract_vacuum or not fitting.shared))
    ):
        return None
    nets = [[_weights(layer) for layer in stack] for stack in stacks]
    if not fitting.shared:
        # Energies of types without a net of their own are not asked for.
        nets += nets[:1] * (fitting.ntypes - len(nets))
    parts = [_first_matrix(fitting, net[0].matrix) for net in nets]

    def product(rows: tf.Tensor, matrix: tf.Tensor) -> tf.Tensor:
        return tf.matmul(tf.cast(rows, fitting.compute_dtype), matrix)

    type_offset = tf.stack([_bias(net[0]) for net in nets])
    if fitting.dim_case_embd:
        case = tf.convert_to_tensor(fitting.case_embd)[tf.newaxis]
        type_offset += tf.concat([product(case, part["case"]) for part in parts], axis=0)
    if fitting.shared:
        type_offset = tf.tile(type_offset, [fitting.ntypes, 1])
    if type_embedding is not None and fitting.tebd_dim:
        type_offset += product(type_embedding[: fitting.ntypes], parts[0]["type"])
    frame_offset = atom_offset = None
    if fitting.numb_fparam:
        frame_offset = product(fitting.standardize("fparam", fparam), parts[0]["fparam"])
    if fitting.net_aparam and aparam is not None:
        rows = tf.reshape(aparam, [-1, fitting.net_aparam])
        atom_offset = product(fitting.standardize("aparam", rows), parts[0]["aparam"])
    found = ops.FittingNets(
        layers=[
            [ops.DenseLayer(part["descriptor"], None, net[0].step), *net[1:-1]]
            for net, part in zip(nets, parts, strict=True)
        ],
        copies=[layer.copies for layer in stacks[0][:-1]],
        outputs=[net[-1] for net in nets],
        type_offset=type_offset,
        frame_offset=frame_offset,
        atom_offset=atom_offset,
    )
    bias = tf.convert_to_tensor(fitting.bias_atom_e)
    bias = tf.pad(bias, [[0, fitting.ntypes - fitting.numb_fitted]])
    return found, bias - fitting.vacuum_energies(type_embedding)


def _first_matrix(fitting: EnergyFitting, matrix: tf.Tensor) -> dict[str, tf.Tensor]:
    """The rows of a first matrix by the kind of input that they belong to."""
    widths = {
        "descriptor": fitting.descriptor_width,
        "type": fitting.tebd_dim,
        "fparam": fitting.numb_fparam,
        "aparam": fitting.net_aparam,
        "case": fitting.dim_case_embd,
    }
    return dict(zip(widths, tf.split(matrix, list(widths.values())), strict=True))


def _bias(layer: ops.DenseLayer) -> tf.Tensor:
    return tf.zeros_like(layer.matrix[0]) if layer.bias is None else layer.bias


def _weights(layer: ResidualDense) -> ops.DenseLayer:
    return ops.DenseLayer(
        *(
            None if variable is None else tf.convert_to_tensor(variable)
            for variable in (layer.matrix, layer.bias, layer.idt)
        )
    )
