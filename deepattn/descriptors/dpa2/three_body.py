"""Features of angles between neighbors, ``se_t_tebd``."""

from __future__ import annotations

import keras
import tensorflow as tf

from deepattn.descriptors.dpa2.initial_features import InitialFeatures
from deepattn.descriptors.dpa2.neighbor_vectors import NeighborVectors
from deepattn.layers.angles import angular_features


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
        dtype = self.compute_dtype
        features = angular_features(
            tf.cast(matrix[:, :, 1:], dtype),
            slots.ntype,
            tf.cast(type_embedding, dtype),
            net=self.embedding_net,
            type_net=self.type_net,
            switch=tf.cast(switch, dtype) if self.smooth else None,
            times=slots.multiplicity(dtype),
        )
        return features / self.matrix.nnei**2
