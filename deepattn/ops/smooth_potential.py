"""Energies of a model without attention, and their derivative, as one operation."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from deepattn.ops import reference
from deepattn.ops.fitting_nets import FittingNets, fits_whole_potentials
from deepattn.ops.loader import built_with_cuda, own_ops
from deepattn.ops.pair_embedding import DenseLayer, spread


class EmbeddingNets(NamedTuple):
    """Embedding nets with tanh, of one number each, the radial entry of a row.

    The first layer makes ``tanh(radial * scale + offset)``, with an offset for each pair of types,
    and adds nothing to it; each further one is a `DenseLayer` with a bias that adds its input if
    that is as wide, or twice side by side if the result is twice as wide.

    Attributes:
        scales: of each net the first layer, T ``[width]``.
        offset: T ``[npairs, width]``.
        layers: of each net the further layers.
        factors: T ``[npairs, last width]``; rows of an embedding are scaled by
            ``1 + weight * factors[pair]``; None for no scaling.
        net_of_pair: number of the net for each pair of types; -1 where the embedding is zero.
    """

    scales: Sequence[tf.Tensor]
    offset: tf.Tensor
    layers: Sequence[Sequence[DenseLayer]]
    factors: tf.Tensor | None
    net_of_pair: Sequence[int]


class SmoothDescriptor(NamedTuple):
    """A descriptor ``D = Bᵀ B[:, :axis]`` with ``B = Rᵀ G / count`` and G from nets.

    Pairs of types are numbered ``center * (ntypes + 1) + neighbor``, or by the neighbor.

    Attributes:
        davg, dstd: F ``[ntypes, nnei * 4]``, normalization of R, the same for all slots.
        keep: F ``[ntypes, ntypes + 1]``, 0 for pairs of center and neighbor that are left out and 1
            for others; None if there are none.
        nets: of G.
        count: T, a scalar.
        rcut, rcut_smth: Å.
        sel: numbers of slots of consecutive blocks.
        empty_types: the type that empty slots of each block have: it, or ntypes.
        axis: columns of B in the second factor.
        sees_center: whether the number of a pair depends on the center.
        switch: the weight of the factors: 1 for ``"none"``; ``"inverse"`` or ``"distance"``:
            `reference.switch_of_inverse` and `reference.switch_of_distance`.
        excluded_is_average: whether excluded rows of R are ``davg[:, 0]`` rather than zero.
        keeps_empty: whether ``keep`` says nothing about empty slots.
    """

    davg: tf.Tensor
    dstd: tf.Tensor
    keep: tf.Tensor | None
    nets: EmbeddingNets
    count: tf.Tensor
    rcut: float
    rcut_smth: float
    sel: Sequence[int]
    empty_types: Sequence[int]
    axis: int
    sees_center: bool
    switch: str
    excluded_is_average: bool
    keeps_empty: bool


def has_smooth_potential(interface: tf.DType, nets: tf.DType) -> bool:
    """Whether `smooth_potential` is compiled, for these types, and no GPU would be left idle."""
    if own_ops() is None or built_with_cuda():
        return False
    return fits_whole_potentials(interface, nets)


def smooth_potential(
    matrix: tf.Tensor,
    rij: tf.Tensor,
    nlist: tf.Tensor,
    ntype: tf.Tensor,
    atype: tf.Tensor,
    descriptor: SmoothDescriptor,
    nets: FittingNets,
    type_energy: tf.Tensor,
    *,
    with_descriptor: bool = False,
) -> tuple[tf.Tensor, ...]:
    """Atomic energies and the derivative of their sum by the environment matrix.

    Both can be differentiated by the weights. The compiled op keeps some atoms in the cache of a
    processor core through all layers and back. Its gradient takes values and their tangents along
    the cotangent of the derivative through all layers together, and then goes back once.
    Derivatives by the matrix, and of higher order, are those of the reference implementation.

    Args:
        matrix: F ``[nframes, nloc * nnei * 4]``, normalized environment matrix.
        rij: F ``[nframes, nloc * nnei * 3]``, Å.
        nlist: int32 ``[nframes, nloc * nnei]``, negative for empty slots; these of a block are
            alike.
        ntype: int32 ``[nframes, nloc * nnei]``, types of the neighbors.
        atype: int32 ``[nframes, nloc]``, negative for virtual atoms.
        descriptor: of type F for statistics, T for nets; F and T are both float32, both float64, or
            float64 and float32.
        nets: T.
        type_energy: F ``[ntypes]``, eV, added to the energies.
        with_descriptor: whether to give the descriptors too. Nothing is differentiated then, and
            where a graph does not take them they are not made.

    Returns:
        F ``[nframes, nloc]``, eV, 0 for virtual atoms; F of the shape of ``matrix``, 0 in empty
        slots; and with descriptors T ``[nframes, nloc * width * axis]``, 0 for virtual atoms.

    Raises:
        tf.errors.InvalidArgumentError: shapes that do not fit, a type that is too high (from the
            compiled op).
    """
    embedding, dtype = descriptor.nets, descriptor.nets.offset.dtype
    last = embedding.layers[0][-1].matrix if embedding.layers[0] else embedding.offset
    no_factors = tf.zeros([0, last.shape[1]], dtype)
    ops = own_ops()
    function = reference.smooth_potential if ops is None else ops.deepattn_smooth_potential
    results = function(
        matrix,
        rij,
        nlist,
        ntype,
        atype,
        descriptor.davg,
        descriptor.dstd,
        tf.zeros([0], matrix.dtype) if descriptor.keep is None else descriptor.keep,
        tf.constant([descriptor.rcut_smth, descriptor.rcut], matrix.dtype),
        descriptor.count,
        type_energy,
        embedding.offset,
        no_factors if embedding.factors is None else embedding.factors,
        list(embedding.scales),
        *spread(list(itertools.chain(*embedding.layers)), dtype),
        *nets.arguments(),
        sel=list(descriptor.sel),
        empty_types=list(descriptor.empty_types),
        net_of_pair=list(embedding.net_of_pair),
        axis=descriptor.axis,
        sees_center=descriptor.sees_center,
        switch=descriptor.switch,
        excluded_is_average=descriptor.excluded_is_average,
        keeps_empty=descriptor.keeps_empty,
        copies=list(nets.copies),
        with_descriptor=with_descriptor,
    )
    return tuple(results[: 3 if with_descriptor else 2])
