"""The environment matrix of a block with a cutoff of its own, as a function of vectors."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from deepattn.descriptors.dpa2.neighbor_vectors import NeighborVectors
from deepattn.ops.reference import quintic_switch


def environment_rows(
    slots: NeighborVectors, *, rcut: float, rcut_smth: float, protection: float
) -> tuple[tf.Tensor, tf.Tensor]:
    """Rows ``w (1/q, d/q²)``, ``q = r + protection``, and the switch ``w`` (arXiv:1805.09003).

    Args:
        slots: The neighborhoods.
        rcut: Cutoff radius, Å; ``w`` is zero there.
        rcut_smth: Where ``w`` begins to fall from one, Å.
        protection: Added to distances that divide, Å.

    Returns:
        ``[n, stored, 4]`` and ``[n, stored]``; zero for padding and excluded neighbors.
    """
    u = tf.clip_by_value((slots.distance - rcut_smth) / (rcut - rcut_smth), 0.0, 1.0)
    switch, _ = quintic_switch(u)
    switch *= tf.cast(slots.mask, switch.dtype)
    inverse = 1.0 / (slots.distance + protection)
    radial = (switch * inverse)[:, :, tf.newaxis]
    angular = (switch * inverse * inverse)[:, :, tf.newaxis] * slots.vectors
    return tf.concat([radial, angular], axis=2), switch


@keras.saving.register_keras_serializable(package="deepattn")
class EnvironmentMatrix(keras.layers.Layer):
    """Normalized environment matrix ``(w (1/q, d/q²) - davg) / dstd`` with derivatives.

    The op ``ProdEnvMatAMix`` makes such a matrix for one cutoff. Here blocks with different ones
    share a list of vectors, by which energies are differentiated.

    Args:
        ntypes: Number of types.
        nnei: Slots of an atom.
        rcut: Cutoff radius, Å.
        rcut_smth: Where switching to zero begins, Å.
        protection: Added to distances that divide, Å.

    Call arguments:
        slots: `NeighborVectors` within ``rcut``.
        center: int32 ``[n]``, types of the centers.

    Output: the matrix ``[n, stored, 4]`` and the switch ``[n, stored]``. Rows of padding are
    ``-davg / dstd``, those of excluded neighbors zero. The weights ``davg`` and ``dstd``
    ``[ntypes, nnei, 4]`` are the same in every slot.
    """

    def __init__(
        self,
        ntypes: int,
        nnei: int,
        *,
        rcut: float,
        rcut_smth: float,
        protection: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **kwargs)
        if not 0 <= rcut_smth < rcut:
            raise ValueError(f"rcut_smth must lie in [0, rcut), not {rcut_smth!r} for {rcut!r}")
        self.ntypes = ntypes
        self.nnei = nnei
        self.rcut = float(rcut)
        self.rcut_smth = float(rcut_smth)
        self.protection = float(protection)

    def build(self, *_: object) -> None:
        shape = (self.ntypes, self.nnei, 4)
        self.davg = self.add_weight(name="davg", shape=shape, initializer="zeros", trainable=False)
        self.dstd = self.add_weight(name="dstd", shape=shape, initializer="ones", trainable=False)

    def call(self, slots: NeighborVectors, center: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        rows, switch = environment_rows(
            slots, rcut=self.rcut, rcut_smth=self.rcut_smth, protection=self.protection
        )
        stored = tf.shape(slots.mask)[1]
        average = tf.gather(tf.convert_to_tensor(self.davg)[:, :stored], center)
        spread = tf.gather(tf.convert_to_tensor(self.dstd)[:, :stored], center)
        matrix = (rows - average) / spread
        excluded = (slots.real & ~slots.mask)[:, :, tf.newaxis]
        return tf.where(excluded, tf.zeros([], matrix.dtype), matrix), switch

    def named_variables(self) -> dict[str, keras.Variable]:
        """``davg`` and ``dstd``."""
        return {"davg": self.davg, "dstd": self.dstd}

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "ntypes": self.ntypes,
            "nnei": self.nnei,
            "rcut": self.rcut,
            "rcut_smth": self.rcut_smth,
            "protection": self.protection,
        }
