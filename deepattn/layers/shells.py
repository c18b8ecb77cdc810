"""Which ghosts an atom's messages come from, found among the atoms of one process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from deepattn.formats.mesh import MESH_HEAD

# Added to cutoffs, Å: operations that select again may round coordinates to single precision.
_MARGIN = 1e-3


class Shells(NamedTuple):
    """Atoms in the order of the messages that they are away from the local ones.

    Shapes:
        order: int32 ``[nall]``, the atoms: local ones, those within one message, two messages, …,
            then all others.
        sizes: int32 ``[messages + 1]``, how many atoms are within 0, 1, … messages.
        mesh: int32, the neighbors of all atoms within reach of messages, as places in ``order``,
            in the form that `Descriptor.environment` takes.
        counts: int32 ``[nloc]``, numbers of the neighbors of local atoms.
    """

    order: tf.Tensor
    sizes: tf.Tensor
    mesh: tf.Tensor
    counts: tf.Tensor


class _Pairs(NamedTuple):
    """Neighbors of some centers: which center, ascending; which atom; distance squared."""

    row: tf.Tensor
    neighbor: tf.Tensor
    square: tf.Tensor


class _Cells(NamedTuple):
    """Atoms sorted by cubic cells, as long as the cutoff, which are numbered along z first.

    Around all atoms is a layer of empty cells, so that the numbers of three cells in a row along z
    are always successive.
    """

    coord: tf.Tensor  # [nall, 3]
    number: tf.Tensor  # int64 [nall], of the cell of each atom
    sorted: tf.Tensor  # int64 [nall], these, ascending
    atoms: tf.Tensor  # int32 [nall], the atoms in that order
    columns: tf.Tensor  # int64 [9], differences to the numbers of the columns around a cell
    rcut: float


def message_shells(
    coord: tf.Tensor,
    atype: tf.Tensor,
    nloc: tf.Tensor,
    *,
    rcut: float,
    message_cutoffs: Sequence[float],
) -> Shells:
    """Find the atoms whose features reach the local ones, and all their neighbors.

    An atom that is given is a neighbor wherever it is within a cutoff: there are no boundaries.

    Args:
        coord: ``[nall, 3]``, Å, local atoms first.
        atype: int32 ``[nall]``, negative for virtual atoms.
        nloc: int32, number of local atoms.
        rcut: Cutoff radius of neighbors, Å.
        message_cutoffs: Those of messages, the last message first, Å; none exceeds ``rcut``.
    """
    nall = tf.shape(coord)[0]
    cells = _sorted_by_cells(coord, rcut + _MARGIN)
    shell, seen = tf.range(nloc), tf.range(nall) < nloc
    shells, found = [shell], [_pairs(cells, shell, atype)]
    for cutoff in message_cutoffs:
        last = found[-1]
        near = tf.boolean_mask(last.neighbor, last.square <= (cutoff + _MARGIN) ** 2)
        reached = tf.scatter_nd(near[:, tf.newaxis], tf.ones_like(near), [nall]) > 0
        shell = tf.cast(tf.where(reached & ~seen)[:, 0], tf.int32)
        seen |= reached
        shells.append(shell)
        found.append(_pairs(cells, shell, atype))
    order = tf.concat([*shells, tf.cast(tf.where(~seen)[:, 0], tf.int32)], axis=0)
    lengths = [
        tf.math.unsorted_segment_sum(tf.ones_like(pairs.row), pairs.row, tf.size(rows))
        for rows, pairs in zip(shells, found, strict=True)
    ]
    sizes = tf.cumsum(tf.stack([tf.size(rows) for rows in shells]))
    neighbors = tf.concat([pairs.neighbor for pairs in found], axis=0)
    mesh = [tf.zeros([MESH_HEAD], tf.int32), tf.range(sizes[-1]), *lengths]
    mesh.append(tf.gather(tf.math.invert_permutation(order), neighbors))
    local = found[0]
    within = tf.cast(local.square <= rcut**2, tf.int32)
    counts = tf.math.unsorted_segment_sum(within, local.row, nloc)
    return Shells(order, sizes, tf.concat(mesh, axis=0), counts)


def listed_neighbors(
    coord: tf.Tensor, atype: tf.Tensor, nlist: tf.Tensor, *, rcut: float
) -> tf.Tensor:
    """How many neighbors of local atoms are in a list, int32 ``[nloc]``: `Shells.counts` of it.

    Args:
        coord, atype, rcut: As for `message_shells`.
        nlist: int32 ``[nloc, n]``, neighbors and atoms farther away; negative for nothing.
    """

    def count(row: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        center, listed = row
        listed = tf.boolean_mask(listed, listed >= 0)
        near = _squares(coord, center, listed) <= rcut**2
        real = (tf.gather(atype, listed) >= 0) & (atype[center] >= 0)
        return tf.reduce_sum(tf.cast(near & real, tf.int32))

    rows = (tf.range(tf.shape(nlist)[0]), nlist)
    return tf.map_fn(count, rows, fn_output_signature=tf.int32)


def _sorted_by_cells(coord: tf.Tensor, rcut: float) -> _Cells:
    # The origin stands in where there are no atoms.
    low = tf.reduce_min(tf.pad(coord, [[0, 1], [0, 0]]), axis=0)
    cell = tf.cast(tf.floor((coord - low) / rcut), tf.int64) + 1
    span = tf.reduce_max(tf.pad(cell, [[0, 1], [0, 0]]), axis=0) + 2
    number = (cell[:, 0] * span[1] + cell[:, 1]) * span[2] + cell[:, 2]
    atoms = tf.argsort(number, stable=True)
    steps = tf.constant([-1, 0, 1], tf.int64)
    columns = tf.reshape((steps[:, tf.newaxis] * span[1] + steps) * span[2], [9])
    return _Cells(coord, number, tf.gather(number, atoms), atoms, columns, rcut)


def _pairs(cells: _Cells, centers: tf.Tensor, atype: tf.Tensor) -> _Pairs:
    """All atoms within the cutoff of some centers, which are not neighbors of themselves."""
    column = tf.gather(cells.number, centers)[:, tf.newaxis] + cells.columns
    column = tf.reshape(column, [-1])
    start = tf.searchsorted(cells.sorted, column - 1, side="left")
    count = tf.searchsorted(cells.sorted, column + 1, side="right") - start
    which = tf.repeat(tf.range(tf.size(column)), count)
    place = tf.range(tf.size(which)) - tf.gather(tf.cumsum(count, exclusive=True) - start, which)
    row, neighbor = which // 9, tf.gather(cells.atoms, place)
    center = tf.gather(centers, row)
    square = _squares(cells.coord, center, neighbor)
    near = (square <= cells.rcut**2) & (neighbor != center)
    near &= (tf.gather(atype, neighbor) >= 0) & (tf.gather(atype, center) >= 0)
    return _Pairs(*(tf.boolean_mask(array, near) for array in (row, neighbor, square)))


def _squares(coord: tf.Tensor, center: tf.Tensor, neighbor: tf.Tensor) -> tf.Tensor:
    """Squared distances of pairs, Å²."""
    vector = tf.gather(coord, neighbor) - tf.gather(coord, center)
    square = vector * vector
    # In this order for lists too: both must count the same neighbors.
    return square[..., 0] + square[..., 1] + square[..., 2]
