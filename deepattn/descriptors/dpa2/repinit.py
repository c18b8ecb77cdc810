"""The first block of DPA-2: a descriptor without attention."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from deepattn import ops
from deepattn.descriptors.dpa2.initial_features import InitialFeatures
from deepattn.descriptors.dpa2.neighbor_vectors import NeighborVectors
from deepattn.layers.contraction import contract_axis, normalized
from deepattn.layers.environment import pair_vectors


@keras.saving.register_keras_serializable(package="deepattn")
class RepInit(InitialFeatures):
    """Initial features of atoms from distances, directions and types of neighbors.

    With the pair embedding ``G`` of distance and types the features are
    ``B^T B[:, :axis_neuron]``, ``B = R^T G / nnei``.

    Reference: D. Zhang et al., arXiv:2312.15492, "repinit".

    Args:
        ntypes, tebd_dim, …: See `InitialFeatures`; with ``type_one_side`` the neighbor determines
            its type.
        axis_neuron: Columns of ``B`` in the second factor.

    Call arguments:
        slots: `NeighborVectors` within ``rcut``.
        center: int32 ``[n]``, types of the centers.
        type_embedding: ``[ntypes + 1, tebd_dim]``.

    Output shape: ``[n, neuron[-1] * axis_neuron]``.
    """

    def __init__(self, ntypes: int, tebd_dim: int, *, axis_neuron: int = 16, **kwargs: Any):
        super().__init__(ntypes, tebd_dim, **kwargs)
        if axis_neuron > self.neuron[-1]:
            raise ValueError(
                f"axis_neuron {axis_neuron} exceeds the last width of neuron {self.neuron}"
            )
        self.axis_neuron = axis_neuron

    @property
    def width(self) -> int:
        """Width of the features."""
        return self.neuron[-1] * self.axis_neuron

    def call(
        self, slots: NeighborVectors, center: tf.Tensor, type_embedding: tf.Tensor
    ) -> tf.Tensor:
        matrix, switch = self.matrix(slots, center)
        matrix = tf.cast(matrix, self.compute_dtype)
        switch = tf.cast(switch, self.compute_dtype)
        type_embedding = tf.cast(type_embedding, self.compute_dtype)
        contracted = self._contracted(slots, matrix, switch, center, type_embedding)
        return contract_axis(
            normalized(contracted, tf.constant(self.matrix.nnei)), self.axis_neuron
        )

    def pair_vectors(self, type_embedding: tf.Tensor) -> tf.Tensor:
        """Type-dependent inputs of a net, one row for each pair of types.

        Row ``center * (ntypes + 1) + neighbor``; with ``type_one_side`` row ``neighbor``.
        """
        return type_embedding if self.type_one_side else pair_vectors(type_embedding, self.ntypes)

    def get_config(self) -> dict:
        return {**super().get_config(), "axis_neuron": self.axis_neuron}

    def _contracted(
        self,
        slots: NeighborVectors,
        matrix: tf.Tensor,
        switch: tf.Tensor,
        center: tf.Tensor,
        type_embedding: tf.Tensor,
    ) -> tf.Tensor:
        """``R^T G``, ``[n, 4, neuron[-1]]``."""
        vectors, first = self.pair_vectors(type_embedding), self.embedding_net.hidden[0]
        if self.type_net is None:
            by_types = {"vectors": vectors}
        else:
            weight = switch if self.smooth else None
            by_types = {"factors": self.type_net(vectors), "weight": weight}
        return ops.embedded_contraction(
            matrix,
            self._pairs(slots, center),
            self.embedding_net.weights_of_ops(),
            times=slots.multiplicity(self.compute_dtype),
            function=first.function,
            product=first.product,
            **by_types,
        )

    def _pairs(self, slots: NeighborVectors, center: tf.Tensor) -> tf.Tensor:
        """The row of `pair_vectors` that belongs to each slot, ``[n, stored]``."""
        if self.type_one_side:
            return slots.ntype
        return center[:, tf.newaxis] * (self.ntypes + 1) + slots.ntype
