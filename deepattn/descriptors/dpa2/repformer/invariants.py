"""Rotation invariants of features of neighbors and their vectors."""

from __future__ import annotations

import tensorflow as tf

from deepattn import ops
from deepattn.descriptors.dpa2.repformer.neighbor_weights import NeighborWeights


def moments(vectors: tf.Tensor, features: tf.Tensor, neighbors: NeighborWeights) -> tf.Tensor:
    """``S = N Σ_k w_k h_k ⊗ g_k``, ``[n, 3, width]`` (arXiv:2312.15492).

    Args:
        vectors: H, ``[n, stored, 3]``.
        features: G, ``[n, stored, width]``.
        neighbors: Have the weights w and the norm N.
    """
    rows = tf.reshape(features, [-1, features.shape[2]])
    return neighbors.scale * ops.neighbor_sums(rows, neighbors.weight, vectors=vectors).moments


def invariants(moment: tf.Tensor, axis_neuron: int) -> tf.Tensor:
    """``S[:, :axis_neuron]^T S / 3``, the second index fastest, ``[n, axis_neuron * width]``."""
    return ops.invariants(moment * 3**-0.5, axis_neuron, axis_first=True)
