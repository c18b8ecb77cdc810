"""The base of the layers of DeepPot-SE and DPA-1."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from deepattn.descriptors.one_matrix.layer import OneMatrix, one_matrix_arguments
from deepattn.descriptors.smooth_edition.config import SmoothEditionConfig
from deepattn.layers.contraction import contract_axis, normalized
from deepattn.layers.descriptor import Features


class SmoothEdition(OneMatrix, abc.ABC):
    """Smooth descriptor ``D = B^T B[:, :axis_neuron]`` with ``B = R^T G / N``.

    ``R`` is the environment matrix of a center, ``[nnei, 4]``, ``G`` the embedding of its pairs,
    ``[nnei, M]`` with ``M = neuron[-1]``, and ``N`` the number of neighbor slots. Subclasses give
    ``G``.

    Args:
        ntypes, rcut, rcut_smth, sel, …: See `OneMatrix`.
        neuron: Widths of the embedding nets.
        axis_neuron: Columns of ``B`` that form the second factor.
        type_one_side: Whether the embedding ignores the center's type.
        tebd_dim: Width of the type embedding; 0 when there is none.

    Output shape: ``[nframes, nloc, neuron[-1] * axis_neuron]``.

    Raises:
        ValueError: ``axis_neuron`` exceeds the last width of ``neuron``.
    """

    def __init__(
        self,
        ntypes: int,
        *,
        neuron: Sequence[int],
        axis_neuron: int,
        type_one_side: bool,
        tebd_dim: int,
        **kwargs: Any,
    ):
        super().__init__(ntypes, neuron=neuron, **kwargs)
        if axis_neuron > neuron[-1]:
            raise ValueError(f"axis_neuron {axis_neuron} exceeds the last width of neuron {neuron}")
        self.axis_neuron = axis_neuron
        self.type_one_side = type_one_side
        self.tebd_dim = tebd_dim

    @property
    def width(self) -> int:
        """Width of the descriptor."""
        return self.neuron[-1] * self.axis_neuron

    @property
    def equivariant_width(self) -> int:
        return self.neuron[-1]

    @property
    def precision(self) -> str:
        return self.compute_dtype

    def has_equal_slots(self) -> bool:
        """Whether all slots of a type are normalized alike; files of DeePMD-kit may have others."""
        for variable in (self.davg, self.dstd):
            # Read where functions are traced; in a graph that is being frozen it is a constant.
            with tf.init_scope():
                values = tf.get_static_value(tf.convert_to_tensor(variable))
            rows = None if values is None else values.reshape(self.ntypes, self.nnei, 4)
            if rows is None or not np.array_equal(rows, np.broadcast_to(rows[:, :1], rows.shape)):
                return False
        return True

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "axis_neuron": self.axis_neuron,
            "type_one_side": self.type_one_side,
            "tebd_dim": self.tebd_dim,
        }

    def _contracted_features(self, contracted: tf.Tensor, atype: tf.Tensor) -> Features:
        """Descriptor and equivariant rows of atoms.

        Args:
            contracted: ``R^T G``, ``[nframes * nloc, 4, M]``.
            atype: Int32 ``[nframes, nloc]``.
        """
        rows = normalized(contracted, self.original_sel)
        shape = tf.shape(atype)
        invariant = tf.reshape(
            contract_axis(rows, self.axis_neuron), tf.concat([shape, [self.width]], axis=0)
        )
        vectors = tf.transpose(rows[:, 1:], [0, 2, 1])
        equivariant = tf.reshape(vectors, tf.concat([shape, [self.equivariant_width, 3]], axis=0))
        dtype = self.interface_dtype
        return Features(tf.cast(invariant, dtype), tf.cast(equivariant, dtype))


def section_arguments(
    section: SmoothEditionConfig, *, tebd_dim: int, common: bool, interface_dtype: str
) -> dict[str, Any]:
    """Arguments of `SmoothEdition` from the keys of a section."""
    return {
        **one_matrix_arguments(section, common=common, interface_dtype=interface_dtype),
        "axis_neuron": section.axis_neuron,
        "type_one_side": section.type_one_side,
        "tebd_dim": tebd_dim,
    }
