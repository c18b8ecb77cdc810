"""Energies of frames of which some atoms are masked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from deepattn.layers import Environment
from deepattn.models.energy_model import EnergyModel


@keras.saving.register_keras_serializable(package="deepattn")
class MaskedModel(EnergyModel):
    """A model of frames with open boundaries whose atomic parameter is a mask.

    ``aparam`` ``[nframes, natoms, 1]`` is 1 for an atom that is there, and 0 for a masked one,
    which is nobody's neighbor and has none. A masked atom feels no force. As in DeePMD-kit its
    energy is what the fitting net gives for a descriptor of zeros, which depends on its type alone,
    ``atom_mask`` is 1 for it, and virials are zero.

    Args:
        *layers: As for `EnergyModel`.
        **kwargs: As for `EnergyModel`.
    """

    special = "with masked atoms (use_aparam_as_mask)"
    unchecked = "its frames have the atoms that sel says, and no cell"

    def environment(self, inputs: Mapping[str, Any]) -> Environment:
        if "aparam" not in inputs:
            raise ValueError("aparam must be given: it is the mask of the atoms")
        found = super().environment(inputs)
        # DeePMD-kit cuts it to a whole number too.
        mask = tf.not_equal(tf.cast(inputs["aparam"], tf.int32), 0)
        mask = tf.reshape(mask, tf.shape(inputs["atype"]))
        neighbor = tf.gather(mask, tf.maximum(found.nlist, 0), batch_dims=1)
        center = tf.repeat(mask, self.sel, axis=1)
        hidden = tf.reshape(~(center & neighbor), [-1, self.sel])
        empty = tf.zeros([tf.shape(hidden)[0], self.sel, 4], found.descrpt.dtype)
        found = found.without(hidden, empty, ntypes=self.ntypes, sort=False)
        # Virials are made of these vectors, and nothing else is.
        return found._replace(rij=tf.zeros_like(found.rij))
