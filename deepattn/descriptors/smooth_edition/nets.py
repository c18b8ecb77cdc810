"""Descriptors of embedding nets in the form in which one operation evaluates a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import tensorflow as tf

from deepattn import ops

if TYPE_CHECKING:
    from deepattn.descriptors.smooth_edition.layer import SmoothEdition
    from deepattn.layers.embedding_net import EmbeddingNet


class NetWeights(NamedTuple):
    """Weights of an embedding net whose first input is the radial entry of a row.

    Attributes:
        scale: Row of the first matrix for the radial entry.
        types: Its other rows, for vectors of types.
        bias: Bias of the first layer.
        layers: The further layers.
    """

    scale: tf.Tensor
    types: tf.Tensor
    bias: tf.Tensor
    layers: list[ops.DenseLayer]


def net_weights(net: EmbeddingNet) -> NetWeights | None:
    """The weights of a net; None where `deepattn.ops.smooth_potential` does not have such nets."""
    first = net.hidden[0]
    if (
        net.activation != "tanh"
        or first.product is not ops.product
        or first.copies
        or len(net.hidden) > ops.MOST_HIDDEN
        or any(layer.bias is None for layer in net.hidden)
    ):
        return None
    layers = []
    for layer in net.hidden:
        matrix, bias, step = (
            None if weight is None else tf.cast(weight, net.compute_dtype)
            for weight in (layer.matrix, layer.bias, layer.idt)
        )
        step = None if step is None else tf.reshape(step, [-1])
        layers.append(ops.DenseLayer(matrix, bias, step))
    matrix, bias, _ = layers[0]
    return NetWeights(matrix[0], matrix[1:], bias, layers[1:])


def smooth_descriptor(
    descriptor: SmoothEdition,
    nets: Sequence[NetWeights],
    offset: tf.Tensor,
    *,
    net_of_pair: Sequence[int],
    sees_center: bool,
    sel: Sequence[int],
    empty_types: Sequence[int],
    factors: tf.Tensor | None = None,
    switch: str = "none",
    excluded_is_average: bool = False,
    keeps_empty: bool = False,
) -> ops.SmoothDescriptor | None:
    """The descriptor as `deepattn.ops.smooth_potential` takes it; None where it does not.

    Args:
        descriptor: The layer.
        nets: Its nets.
        offset: What the first layers add for each pair of types, ``[npairs, neuron[0]]``.
        **options: As of `deepattn.ops.SmoothDescriptor` and `deepattn.ops.EmbeddingNets`.
    """
    if not _alike_in_all_slots(descriptor):
        return None
    ntypes, keep = descriptor.ntypes, None
    if descriptor.excluded_pairs is not None:
        table = np.reshape(descriptor.excluded_pairs, [ntypes, ntypes + 1])
        keep = tf.constant(table, descriptor.interface_dtype)
    return ops.SmoothDescriptor(
        davg=tf.convert_to_tensor(descriptor.davg),
        dstd=tf.convert_to_tensor(descriptor.dstd),
        keep=keep,
        nets=ops.EmbeddingNets(
            scales=[net.scale for net in nets],
            offset=offset,
            layers=[net.layers for net in nets],
            factors=factors,
            net_of_pair=net_of_pair,
        ),
        count=tf.cast(tf.reduce_sum(descriptor.original_sel), descriptor.compute_dtype),
        rcut=descriptor.rcut,
        rcut_smth=descriptor.rcut_smth,
        sel=sel,
        empty_types=empty_types,
        axis=descriptor.axis_neuron,
        sees_center=sees_center,
        switch=switch,
        excluded_is_average=excluded_is_average,
        keeps_empty=keeps_empty,
    )


def _alike_in_all_slots(descriptor: SmoothEdition) -> bool:
    """Whether the statistics are; files of DeePMD-kit may have others."""
    with tf.init_scope():
        if not tf.executing_eagerly():
            return False
        values = [tf.convert_to_tensor(x).numpy() for x in (descriptor.davg, descriptor.dstd)]
    tables = [value.reshape(descriptor.ntypes, -1, 4) for value in values]
    return all(
        np.array_equal(table, np.broadcast_to(table[:, :1], table.shape)) for table in tables
    )
