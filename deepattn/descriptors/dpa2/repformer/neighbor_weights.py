"""Weights and normalization of neighbors in the repformer, independent of features."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from deepattn.descriptors.dpa2.neighbor_vectors import NeighborVectors

# Keeps atoms without neighbors from a division by zero.
_ALONE = 1e-4


class NeighborWeights(NamedTuple):
    """Weights and numbers of the neighbors of n atoms.

    Shapes:
        index: int32 ``[n, stored]``, which of the n atoms the neighbors are.
        weight: ``[n, stored]``, the switch, or 1 if nothing is smooth; 0 for padding.
        cut: int32, how many slots are not stored.
        mean: ``[n, 1]`` or scalar, one over the number of neighbors.
        scale: ``[n, 1, 1]`` or scalar, likewise or its root: the norm of moments.
    """

    index: tf.Tensor
    weight: tf.Tensor
    cut: tf.Tensor
    mean: tf.Tensor
    scale: tf.Tensor

    def first(self, rows: tf.Tensor, known: tf.Tensor) -> NeighborWeights:
        """Those of the first ``rows`` atoms, with indices among the first ``known``.

        Neighbors with other indices become wrong ones: only those whose features are not needed
        may have them.
        """
        cut = {
            name: value[:rows]
            for name, value in (("mean", self.mean), ("scale", self.scale))
            if value.shape.rank
        }
        index = tf.minimum(self.index[:rows], known - 1)
        return self._replace(index=index, weight=self.weight[:rows], **cut)

    def gather(self, features: tf.Tensor) -> tf.Tensor:
        """Features ``[n, width]`` of the neighbors, ``[n, stored, width]``."""
        return tf.gather(features, self.index)


def neighbor_weights(
    slots: NeighborVectors, switch: tf.Tensor, *, nnei: int, smooth: bool, use_sqrt_nnei: bool
) -> NeighborWeights:
    """Compute the weights of neighbors for all layers.

    Args:
        slots: The slots.
        switch: ``[n, stored]``, 0 for padding; its dtype is that of the result.
        nnei: Slots of an atom.
        smooth: Whether neighbors fade out at the cutoff; their number is ``nnei`` then.
        use_sqrt_nnei: Whether moments are divided by its root.
    """
    dtype = switch.dtype
    if smooth:
        mean = tf.constant(1.0 / nnei, dtype)
        scale = tf.constant(nnei**-0.5 if use_sqrt_nnei else 1.0 / nnei, dtype)
        return NeighborWeights(slots.index, switch, slots.cut, mean, scale)
    mask = tf.cast(slots.mask, dtype)
    count = tf.reduce_sum(mask, axis=1, keepdims=True)
    mean = 1.0 / (_ALONE + count)
    scale = 1.0 / (_ALONE + tf.sqrt(count)) if use_sqrt_nnei else mean
    return NeighborWeights(slots.index, mask, slots.cut, mean, scale[:, tf.newaxis])
