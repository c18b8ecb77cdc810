"""Environment matrices in which each type of neighbor has slots of its own."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from deepattn import ops
from deepattn.descriptors.one_matrix.layer import OneMatrix
from deepattn.layers.environment import Environment, real_types


class SlotsByType(OneMatrix, abc.ABC):
    """Descriptor whose slots belong to types: those of type 0 first, the nearest first.

    Args:
        ntypes: Number of types.
        sel: Largest number of neighbors of each type.
        **kwargs: See `OneMatrix`.

    Raises:
        ValueError: Not one number for each type.
    """

    def __init__(self, ntypes: int, *, sel: Sequence[int], **kwargs: Any):
        super().__init__(ntypes, sel=list(sel), **kwargs)
        if len(sel) != ntypes:
            raise ValueError(f"sel must have one number for each of {ntypes} types, not {sel!r}")
        self._sizes = [int(n) for n in sel]
        self._slot_types = np.repeat(np.arange(ntypes, dtype=np.int32), self._sizes)

    def search(
        self, coord: tf.Tensor, atype: tf.Tensor, natoms: tf.Tensor, box: tf.Tensor, mesh: tf.Tensor
    ) -> Environment:
        descrpt, descrpt_deriv, rij, nlist = ops.prod_env_mat_a(
            *(coord, atype, natoms, box, mesh),
            *self.normalization(),
            rcut=self.rcut,
            rcut_smth=self.rcut_smth,
            sel=self._sizes,
        )
        nmask = nlist >= 0
        slots = tf.shape(nlist)[1] // self.nnei
        ntype = tf.where(nmask, tf.tile(self._slot_types, [slots])[tf.newaxis], self.ntypes)
        found = Environment(descrpt, descrpt_deriv, rij, nlist, ntype, nmask)
        return found.of_vectors() if self.protection else found

    def _kept(self, environment: Environment, atype: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
        """1 for slots whose pair of types interacts, else 0, ``[n, nnei]``.

        In the TensorFlow convention the empty slots of an excluded type are excluded too.
        """
        slots = self._slot_types[np.newaxis]
        if self.common:
            slots = tf.reshape(environment.ntype, [-1, self.nnei])
        pair = real_types(atype, self.ntypes)[:, tf.newaxis] * (self.ntypes + 1) + slots
        return tf.gather(tf.constant(self._pairs, dtype), pair)
