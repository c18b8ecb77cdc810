"""Features of angles between neighbors, ``se_t_tebd``."""

from __future__ import annotations

import keras
import tensorflow as tf

from deepattn import ops
from deepattn.descriptors.dpa2.initial_features import InitialFeatures
from deepattn.descriptors.dpa2.neighbor_vectors import NeighborVectors
from deepattn.layers.environment import pair_vectors


@keras.saving.register_keras_serializable(package="deepattn")
class ThreeBody(InitialFeatures):
    """Sums over pairs of neighbors of an embedding of their angle and types.

    With the angular columns ``R'`` of the environment matrix and ``c = R' R'^T`` the features are
    ``Σ_kl c_kl E(c_kl, T_l, T_k) / nnei²``, over all slots, a neighbor with itself included.
    The net depends on the types of both neighbors.

    Reference: D. Zhang et al., arXiv:2312.15492.

    Args: see `InitialFeatures`.

    Call arguments: see `RepInit`.

    Output shape: ``[n, neuron[-1]]``.
    """

    @property
    def width(self) -> int:
        """Width of the features."""
        return self.neuron[-1]

    def call(
        self, slots: NeighborVectors, center: tf.Tensor, type_embedding: tf.Tensor
    ) -> tf.Tensor:
        matrix, switch = self.matrix(slots, center)
        directions = tf.cast(matrix[:, :, 1:], self.compute_dtype)
        switch = tf.cast(switch, self.compute_dtype)
        type_embedding = tf.cast(type_embedding, self.compute_dtype)
        product = tf.matmul(directions, directions, transpose_b=True)
        embedding = self._embed(product, switch, slots.ntype, type_embedding)
        times = slots.multiplicity(self.compute_dtype)
        product *= times * times[:, tf.newaxis]
        pairs = tf.size(times) * tf.size(times)
        product = tf.reshape(product, [-1, 1, pairs])
        embedding = tf.reshape(embedding, [-1, pairs, self.width])
        return tf.matmul(product, embedding)[:, 0] / self.matrix.nnei**2

    def _embed(
        self, product: tf.Tensor, switch: tf.Tensor, ntype: tf.Tensor, type_embedding: tf.Tensor
    ) -> tf.Tensor:
        """Embedding ``E`` of all pairs of slots, ``[n * stored * stored, neuron[-1]]``."""
        rows, scale = tf.reshape(product, [-1, 1]), None
        pair = ntype[:, :, tf.newaxis] * (self.ntypes + 1) + ntype[:, tf.newaxis]
        pair = tf.reshape(pair, [-1])
        vectors = pair_vectors(type_embedding, self.ntypes + 1)
        if self.type_net is None:
            rows = tf.concat([rows, tf.gather(vectors, pair)], axis=1)
        else:
            weight = switch[:, :, tf.newaxis] * switch[:, tf.newaxis]
            scale = ops.PairScale(
                tf.reshape(weight, [-1]) if self.smooth else None, pair, self.type_net(vectors)
            )
        return self.embedding_net(rows, scale)
