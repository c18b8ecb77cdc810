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
    (matrix, bias, _), *layers = net.weights_of_ops()
    return NetWeights(matrix[0], matrix[1:], bias, layers)


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
    if not descriptor.has_equal_slots():
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
