"""The potential of a compressed model without attention as one operation."""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from deepattn.ops import reference
from deepattn.ops.fitting_nets import FittingNets
from deepattn.ops.loader import own_ops
from deepattn.ops.tabulated import Tables


class TabulatedDescriptor(NamedTuple):
    """A descriptor ``D = Bᵀ B[:, :axis]`` with ``B = Rᵀ G / count`` and G from tables.

    Attributes:
        davg, dstd: F ``[ntypes, nnei * 4]``, normalization of R, the same for all slots.
        keep: F ``[ntypes, ntypes + 1]``, 0 for pairs of center and neighbor that are left out and 1
            for others; None if there are none.
        tables: of G, with one index for each pair of types: ``center * (ntypes + 1) + neighbor``,
            or the neighbor's type. Empty slots have the type ntypes, or that of their block.
        count: T, a scalar.
        rcut, rcut_smth: Å.
        sel: number of neighbor slots, or a number for each type if types have slots of their own.
        width: of G.
        axis: columns of B in the second factor.
        sees_center: whether the index depends on the center.
        switch: what the factors of the tables are scaled with: ``"none"``; ``"inverse"`` or
            ``"distance"``: `reference.switch_of_inverse` and `reference.switch_of_distance`.
        excluded_is_average: whether excluded rows of R are ``davg[:, 0]`` rather than zero.
    """

    davg: tf.Tensor
    dstd: tf.Tensor
    keep: tf.Tensor | None
    tables: Tables
    count: tf.Tensor
    rcut: float
    rcut_smth: float
    sel: Sequence[int]
    width: int
    axis: int
    sees_center: bool
    switch: str
    excluded_is_average: bool


class DistanceBasis(NamedTuple):
    """Descriptors that others are compared with; `deepattn.uncertainty.Distance` explains it.

    The distance of a descriptor D is the length of ``(D basis - origin) root``, with origin and
    root of the center's type.

    Attributes:
        basis: T ``[width * axis, K]``.
        origin: T ``[ntypes, K]``.
        root: T ``[ntypes, K, K]``.
    """

    basis: tf.Tensor
    origin: tf.Tensor
    root: tf.Tensor


class Potential(NamedTuple):
    """Results of `tabulated_potential`."""

    atom_energy: tf.Tensor  # F [nframes, nloc], eV, 0 for virtual atoms
    force: tf.Tensor  # F [nframes, nall * 3], eV/Å
    virial: tf.Tensor  # F [nframes, 9], eV
    atom_virial: tf.Tensor  # F [nframes, nall * 9], eV, the neighbors' shares
    distance: tf.Tensor | None = None  # F [nframes, nloc], 0 for virtual atoms


def tabulated_potential(
    coord: tf.Tensor,
    atype: tf.Tensor,
    natoms: tf.Tensor,
    box: tf.Tensor,
    mesh: tf.Tensor,
    descriptor: TabulatedDescriptor,
    nets: FittingNets,
    distance_basis: DistanceBasis | None = None,
) -> Potential:
    """Energies, forces and virials; nothing is differentiated through it.

    The compiled op takes a block of atoms from its neighbors to its forces while all of that is in
    the cache of a processor core, and stores nothing for all pairs. With neighbors of equal
    distance at the end of the slots, and for sums, the order of the neighbors does not matter.

    Args:
        coord: F ``[nframes, nall * 3]``, Å.
        atype, natoms, box, mesh: as of `deepattn.ops.prod_env_mat_a_mix`.
        descriptor: of type F for statistics, T for tables; F and T are both float32, both float64,
            or float64 and float32.
        nets: T.
        distance_basis: T; with one there are distances of the descriptors too. Where a graph does
            not take them they are not computed.

    Raises:
        tf.errors.InvalidArgumentError: as `deepattn.ops.prod_env_mat_a_mix`; tables that do not fit
            their range or the pairs of types (from the compiled op).
    """
    ops = own_ops()
    function = reference.tabulated_potential if ops is None else ops.deepattn_tabulated_potential
    of_distances = [[], [], []] if distance_basis is None else [[x] for x in distance_basis]
    *results, distance = function(
        coord,
        atype,
        natoms,
        box,
        mesh,
        descriptor.davg,
        descriptor.dstd,
        tf.zeros([0], coord.dtype) if descriptor.keep is None else descriptor.keep,
        # As numbers of type F, unlike the attributes of the environment matrix.
        tf.constant([descriptor.rcut_smth, descriptor.rcut], coord.dtype),
        *descriptor.tables,
        descriptor.count,
        *nets.arguments(),
        *of_distances,
        rcut=descriptor.rcut,
        rcut_smth=descriptor.rcut_smth,
        sel=list(descriptor.sel),
        width=descriptor.width,
        axis=descriptor.axis,
        sees_center=descriptor.sees_center,
        switch=descriptor.switch,
        excluded_is_average=descriptor.excluded_is_average,
        copies=list(nets.copies),
    )
    return Potential(*results, *distance)
