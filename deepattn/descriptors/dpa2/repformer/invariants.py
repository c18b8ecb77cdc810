"""Rotation invariants of features of neighbors and their vectors."""

from __future__ import annotations

import tensorflow as tf

from deepattn.descriptors.dpa2.repformer.neighborhood import Neighborhood


def moments(vectors: tf.Tensor, features: tf.Tensor, nearby: Neighborhood) -> tf.Tensor:
    """``S = N Σ_k w_k h_k ⊗ g_k``, ``[n, 3, width]`` (arXiv:2312.15492).

    Args:
        vectors: h, ``[n, stored, 3]``.
        features: g, ``[n, stored, width]``.
        nearby: the weights w and the norm N.
    """
    weighted = vectors * nearby.weight[:, :, tf.newaxis]
    return nearby.scale * tf.matmul(weighted, features, transpose_a=True)


def invariants(moment: tf.Tensor, axis_neuron: int) -> tf.Tensor:
    """``S[:, :axis_neuron]^T S / 3``, the second index fastest, ``[n, axis_neuron * width]``."""
    product = tf.matmul(moment[:, :, :axis_neuron], moment, transpose_a=True) / 3.0
    return tf.reshape(product, [-1, axis_neuron * moment.shape[-1]])
