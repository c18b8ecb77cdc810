"""Vectors to neighbors, shared by blocks of different cutoff radii."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from deepattn.layers.environment import Environment, real_types
from deepattn.ops.blocks import rows_at_once

# Slots of the atoms that are evaluated at once, where that saves memory.
_SLOTS_AT_ONCE = 8192


class NeighborVectors(NamedTuple):
    """The first slots of n neighborhoods, nearest neighbors first.

    Padding is alike in every slot, so the last slot stands for all that are not stored, as in
    `PackedNeighbors`. Excluded neighbors keep their slots, among the others.

    Shapes:
        vectors: ``[n, stored, 3]``, from the center to the neighbors, Å.
        distance: ``[n, stored]``, Å; 1 for padding.
        real: bool ``[n, stored]``, false for padding.
        mask: bool ``[n, stored]``, false for padding and for excluded neighbors.
        ntype: int32 ``[n, stored]``, types of the neighbors; for padding that of the frame's
            first atom, as DeePMD-kit has it (0 if it is virtual).
        index: int32 ``[n, stored]``, which of the n atoms the neighbors are; 0 for padding.
        cut: int32, number of slots that are not stored.
    """

    vectors: tf.Tensor
    distance: tf.Tensor
    real: tf.Tensor
    mask: tf.Tensor
    ntype: tf.Tensor
    index: tf.Tensor
    cut: tf.Tensor

    def first(self, rows: tf.Tensor) -> NeighborVectors:
        """Those of the first atoms; ``index`` still refers to all of them."""
        return self._replace(
            vectors=self.vectors[:rows],
            distance=self.distance[:rows],
            real=self.real[:rows],
            mask=self.mask[:rows],
            ntype=self.ntype[:rows],
            index=self.index[:rows],
        )

    def within(self, rcut: float, nnei: int) -> NeighborVectors:
        """The first ``nnei`` slots, all beyond ``rcut`` being padding, cut to the longest."""
        real = self.real[:, :nnei] & (self.distance[:, :nnei] <= rcut)
        count = tf.reduce_sum(tf.cast(real, tf.int32), axis=1)
        # Of no atoms at all the maximum is the lowest integer.
        stored = tf.minimum(tf.maximum(tf.reduce_max(count), 0) + 1, nnei)
        real = real[:, :stored]
        first = self._replace(cut=nnei - stored, real=real, mask=self.mask[:, :stored] & real)
        return first._replace(
            vectors=self.vectors[:, :stored],
            distance=self.distance[:, :stored],
            ntype=tf.where(real, self.ntype[:, :stored], self.ntype[:, -1:]),
            index=tf.where(real, self.index[:, :stored], 0),
        )

    def multiplicity(self, dtype: str) -> tf.Tensor:
        """How many slots each stored one stands for, ``[stored]``."""
        stored = tf.shape(self.mask)[1]
        return tf.cast(1 + self.cut * tf.one_hot(stored - 1, stored, dtype=tf.int32), dtype)


def atoms_at_once(pairs: tf.Tensor) -> tf.Tensor:
    """Number of atoms in a block, given an array ``[n, stored, …]`` of all."""
    return rows_at_once(tf.shape(pairs)[1], _SLOTS_AT_ONCE)


def neighbor_vectors(
    environment: Environment,
    atype: tf.Tensor,
    *,
    nnei: int,
    ntypes: int,
    pairs: np.ndarray | None = None,
) -> NeighborVectors:
    """All slots of the atoms of a batch, and one more of padding.

    Args:
        environment: Neighborhoods with vectors in the last three columns of ``descrpt``, and
            with the indices of local atoms.
        atype: int32 ``[nframes, nloc]``, negative for virtual atoms, which have no neighbors.
        nnei: Slots of an atom.
        ntypes: Number of types.
        pairs: `pair_table` of the pairs that interact; ``None`` for all.

    Raises:
        tf.errors.InvalidArgumentError: A neighbor is a ghost, of which no features are known.
    """
    nframes, nloc = tf.unstack(tf.shape(atype))
    tf.debugging.assert_less(
        environment.nlist,
        nloc,
        "a neighbor is a ghost; give the model the ghosts' owners (input owner)",
    )

    def rows(array: tf.Tensor, padding: int | bool) -> tf.Tensor:
        array = tf.reshape(array, [nframes * nloc, nnei])
        return tf.pad(array, [[0, 0], [0, 1]], constant_values=padding)

    real = rows(environment.nmask, False) & (tf.reshape(atype, [-1, 1]) >= 0)
    # One more, as there may be no atoms.
    first = tf.maximum(tf.pad(atype, [[0, 0], [0, 1]])[:, :1], 0)
    first = tf.repeat(first, nloc, axis=0)
    ntype = tf.where(real, rows(environment.ntype, ntypes), first)
    frame = tf.repeat(tf.range(nframes), nloc)[:, tf.newaxis]
    index = tf.where(real, frame * nloc + rows(environment.nlist, -1), 0)
    vectors = tf.reshape(environment.descrpt, [nframes * nloc, nnei, 4])[:, :, 1:]
    vectors = tf.pad(vectors, [[0, 0], [0, 1], [0, 0]])
    # Not the root of zero, whose derivative is infinite.
    square = tf.reduce_sum(vectors * vectors, axis=2)
    square = tf.where(real, square, tf.ones([], square.dtype))
    mask = real
    if pairs is not None:
        pair = real_types(atype, ntypes)[:, tf.newaxis] * (ntypes + 1) + ntype
        mask = real & (tf.gather(tf.constant(pairs), pair) > 0)
    return NeighborVectors(vectors, tf.sqrt(square), real, mask, ntype, index, tf.constant(0))
