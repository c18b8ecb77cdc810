"""Pairs of atoms and their neighbors, for energies that depend on distances."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from deepattn.layers.environment import Environment, real_types
from deepattn.pairs.layer import PairTable


class PairSlots(NamedTuple):
    """Some neighbor slots of n atoms.

    Shapes:
        vectors: ``[n, slots, 3]``, from the atoms to the neighbors, Å.
        distance: ``[n, slots]``, Å; 1 for padding.
        mask: bool ``[n, slots]``, false for padding.
        center: int32 ``[n, 1]``, types of the atoms.
        neighbor: int32 ``[n, slots]``, types of the neighbors; any for padding.
    """

    vectors: tf.Tensor
    distance: tf.Tensor
    mask: tf.Tensor
    center: tf.Tensor
    neighbor: tf.Tensor

    @classmethod
    def of(
        cls,
        environment: Environment,
        local: tf.Tensor,
        *,
        nnei: int,
        ntypes: int,
        slots: slice = slice(None),
    ) -> PairSlots:
        """The slots of an environment.

        Args:
            environment: With ``nnei`` slots an atom.
            local: Types of the atoms, int32 ``[nframes, nloc]``.
            nnei: Number of slots.
            ntypes: Number of types.
            slots: Which of them; all by default.
        """
        mask = tf.reshape(environment.nmask, [-1, nnei])[:, slots]
        vectors = tf.reshape(environment.rij, [-1, nnei, 3])[:, slots]
        neighbor = tf.reshape(environment.ntype, [-1, nnei])[:, slots]
        square = tf.reduce_sum(tf.square(vectors), axis=2)
        # Not the root of zero, whose derivative is infinite.
        distance = tf.sqrt(tf.where(mask, square, tf.ones_like(square)))
        center = real_types(local, ntypes)[:, tf.newaxis]
        return cls(vectors, distance, mask, center, tf.minimum(neighbor, ntypes - 1))

    def tabulated(self, table: PairTable) -> tuple[tf.Tensor, tf.Tensor]:
        """A half of the energies in a table, summed for each atom ``[n]``, and the derivatives by
        the distances ``[n, slots]``, in the precision of these."""
        energy, derivative = (
            tf.where(
                self.mask,
                tf.cast(values / 2, self.distance.dtype),
                tf.zeros_like(self.distance),
            )
            for values in table(self.distance, self.center, self.neighbor)
        )
        return tf.reduce_sum(energy, axis=1), derivative

    def by_vector(self, by_distance: tf.Tensor) -> tf.Tensor:
        """Derivatives by the vectors, ``[n, slots, 3]``, from those by the distances."""
        along = tf.where(self.mask, by_distance / self.distance, tf.zeros_like(by_distance))
        return along[:, :, tf.newaxis] * self.vectors
