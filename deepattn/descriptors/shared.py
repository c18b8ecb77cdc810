"""What the layers of DeepPot-SE and DPA-1 have in common."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from deepattn.config import network_dtype
from deepattn.descriptors.smooth_edition import SmoothEditionConfig
from deepattn.layers.contraction import normalized, square
from deepattn.layers.descriptor import Features


def shared_arguments(section: SmoothEditionConfig, interface_dtype: str) -> dict[str, Any]:
    """Arguments of the layers from the keys that both sections have."""
    return {
        "rcut": section.rcut,
        "rcut_smth": section.rcut_smth,
        "sel": section.sel,
        "neuron": section.neuron,
        "axis_neuron": section.axis_neuron,
        "type_one_side": section.type_one_side,
        "activation": section.activation_function,
        "resnet_dt": section.resnet_dt,
        "exclude_types": section.exclude_types,
        "seed": section.seed,
        "interface_dtype": interface_dtype,
        "dtype": network_dtype(section.precision, interface_dtype),
        "trainable": section.trainable,
        "name": "descriptor",
    }


def contracted_features(
    contracted: tf.Tensor,
    original_sel: tf.Tensor,
    atype: tf.Tensor,
    *,
    axis_neuron: int,
    dtype: str,
) -> Features:
    """Descriptor and equivariant rows of atoms from their contracted neighborhoods.

    Args:
        contracted: ``R^T G``, ``[nframes * nloc, 4, M]``.
        original_sel: int32, neighbor numbers of the first training.
        atype: int32 ``[nframes, nloc]``.
        axis_neuron: columns in the descriptor's second factor.
        dtype: of the result.
    """
    rows = normalized(contracted, original_sel)
    shape, width = tf.shape(atype), contracted.shape[-1]
    invariant = tf.reshape(square(rows, axis_neuron), tf.concat([shape, [width * axis_neuron]], 0))
    vectors = tf.transpose(rows[:, 1:], [0, 2, 1])
    equivariant = tf.reshape(vectors, tf.concat([shape, [width, 3]], 0))
    return Features(tf.cast(invariant, dtype), tf.cast(equivariant, dtype))
