"""Neighborhoods truncated to the longest one of a batch."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from deepattn.layers.environment import Environment


class PackedNeighbors(NamedTuple):
    """The first slots of n neighborhoods; the last of them stands for all that were cut off.

    Real neighbors come first in an `Environment`, and the padding behind them is alike in every
    slot. One slot more than the longest neighborhood has neighbors is therefore enough: its
    last slot is padding for every atom, and counts ``1 + cut`` times. Where a neighborhood fills
    all slots nothing is cut off.

    Shapes:
        matrix: ``[n, stored, 4]``, environment matrix.
        rij: ``[n, stored, 3]``, vectors to the neighbors, Å.
        ntype: int32 ``[n, stored]``, types of the neighbors, ``ntypes`` for padding.
        mask: bool ``[n, stored]``, false for padding.
        count: int32 ``[n]``, numbers of neighbors.
        cut: int32, number of slots that are not stored.
    """

    matrix: tf.Tensor
    rij: tf.Tensor
    ntype: tf.Tensor
    mask: tf.Tensor
    count: tf.Tensor
    cut: tf.Tensor

    @property
    def stored(self) -> tf.Tensor:
        """Number of slots, int32."""
        return tf.shape(self.mask)[1]

    def multiplicity(self, dtype: str) -> tf.Tensor:
        """How many slots each stored one stands for, ``[stored, 1]``."""
        last = tf.one_hot(self.stored - 1, self.stored, dtype=tf.int32)
        return tf.cast(1 + self.cut * last, dtype)[:, tf.newaxis]

    def even_multiplicity(self, dtype: str) -> tf.Tensor:
        """The same with all padding of a neighborhood alike, ``[n, stored, 1]``."""
        padding = tf.maximum(self.stored - self.count, 1)
        times = tf.cast(padding + self.cut, dtype) / tf.cast(padding, dtype)
        times = tf.where(self.mask, tf.ones([], dtype), times[:, tf.newaxis])
        return times[:, :, tf.newaxis]


def pack(environment: Environment, nnei: int) -> PackedNeighbors:
    """Truncate neighborhoods of ``nnei`` slots to the longest one."""
    mask = tf.reshape(environment.nmask, [-1, nnei])
    count = tf.reduce_sum(tf.cast(mask, tf.int32), axis=1)
    # Of no atoms at all the maximum is the lowest integer.
    stored = tf.minimum(tf.maximum(tf.reduce_max(count), 0) + 1, nnei)
    # Cut as rows and by tf.slice: TensorFlow is slow at the derivatives of other cuts.
    matrix = tf.reshape(environment.descrpt, [-1, 4 * nnei])
    matrix = tf.slice(matrix, [0, 0], tf.stack([-1, 4 * stored]))
    return PackedNeighbors(
        tf.reshape(matrix, [-1, stored, 4]),
        tf.reshape(environment.rij, [-1, nnei, 3])[:, :stored],
        tf.reshape(environment.ntype, [-1, nnei])[:, :stored],
        mask[:, :stored],
        count,
        nnei - stored,
    )
