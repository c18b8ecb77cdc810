"""The base of the layers of DeepPot-SE and DPA-1."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deepattn.config import network_dtype
from deepattn.descriptors.smooth_edition.config import SmoothEditionConfig
from deepattn.layers.contraction import contract_axis, normalized
from deepattn.layers.descriptor import Descriptor, Features
from deepattn.layers.embedding_net import scoped_variables
from deepattn.layers.environment import pair_table


class SmoothEdition(Descriptor, abc.ABC):
    """Smooth descriptor ``D = B^T B[:, :axis_neuron]`` with ``B = R^T G / N``.

    ``R`` is the environment matrix of a center, ``[nnei, 4]``, ``G`` the embedding of its pairs,
    ``[nnei, M]`` with ``M = neuron[-1]``, and ``N`` the number of neighbor slots. Subclasses give
    ``G``.

    Args:
        ntypes: Number of types.
        rcut: Cutoff radius, Å.
        rcut_smth: Where switching to zero begins, Å.
        sel: Largest number of neighbors.
        neuron: Widths of the embedding nets.
        axis_neuron: Columns of ``B`` that form the second factor.
        type_one_side: Whether the embedding ignores the center's type.
        activation: Name of the nets' activation.
        resnet_dt: Whether the nets have time steps.
        exclude_types: Pairs of types that do not interact.
        tebd_dim: Width of the type embedding; 0 when there is none.
        common: Whether the details are those of DeePMD-kit's backends other than TensorFlow.
        seed: Seed of the weights.
        interface_dtype: Precision of coordinates, statistics and result; ``dtype`` is the nets'.

    Output shape: ``[nframes, nloc, neuron[-1] * axis_neuron]``.

    Raises:
        ValueError: ``axis_neuron`` exceeds the last width of ``neuron``.
    """

    def __init__(
        self,
        ntypes: int,
        *,
        rcut: float,
        rcut_smth: float,
        sel: int | Sequence[int],
        neuron: Sequence[int],
        axis_neuron: int,
        type_one_side: bool,
        activation: str,
        resnet_dt: bool,
        exclude_types: Sequence[Sequence[int]],
        tebd_dim: int,
        common: bool,
        seed: int | None,
        interface_dtype: str,
        **kwargs: Any,
    ):
        super().__init__(
            ntypes,
            rcut=rcut,
            rcut_smth=rcut_smth,
            sel=sel,
            interface_dtype=interface_dtype,
            **kwargs,
        )
        if axis_neuron > neuron[-1]:
            raise ValueError(f"axis_neuron {axis_neuron} exceeds the last width of neuron {neuron}")
        self.neuron = tuple(neuron)
        self.axis_neuron = axis_neuron
        self.type_one_side = type_one_side
        self.activation = activation
        self.resnet_dt = resnet_dt
        self.exclude_types = [list(pair) for pair in exclude_types]
        self.tebd_dim = tebd_dim
        self.common = common
        self.seed = seed
        self._pairs = pair_table(ntypes, exclude_types)

    @property
    def width(self) -> int:
        """Width of the descriptor."""
        return self.neuron[-1] * self.axis_neuron

    @property
    def equivariant_width(self) -> int:
        return self.neuron[-1]

    @property
    def excluded_pairs(self) -> np.ndarray | None:
        """`pair_table` of the pairs that do not interact."""
        return self._pairs

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

    def named_variables(self) -> dict[str, keras.Variable]:
        """Weights and statistics under DeePMD's names."""
        return {**self._net_variables(), **super().named_variables()}

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "neuron": list(self.neuron),
            "axis_neuron": self.axis_neuron,
            "type_one_side": self.type_one_side,
            "activation": self.activation,
            "resnet_dt": self.resnet_dt,
            "exclude_types": self.exclude_types,
            "tebd_dim": self.tebd_dim,
            "common": self.common,
            "seed": self.seed,
        }

    def _net_variables(self) -> dict[str, keras.Variable]:
        """Weights without statistics, under DeePMD's names."""
        return scoped_variables(self.scoped_nets())

    def _net_arguments(self) -> dict[str, Any]:
        """Arguments that all embedding nets share."""
        return {
            "neuron": self.neuron,
            "activation": self.activation,
            "resnet_dt": self.resnet_dt,
            "time_step": 0.1 if self.common else 1.0,
            "dtype": self.dtype_policy,
            "trainable": self.trainable,
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
        "rcut": section.rcut,
        "rcut_smth": section.rcut_smth,
        "sel": section.sel,
        "neuron": section.neuron,
        "axis_neuron": section.axis_neuron,
        "type_one_side": section.type_one_side,
        "activation": section.activation_function,
        "resnet_dt": section.resnet_dt,
        "exclude_types": section.exclude_types,
        "tebd_dim": tebd_dim,
        "common": common,
        "seed": section.seed,
        "interface_dtype": interface_dtype,
        "dtype": network_dtype(section.precision, interface_dtype),
        "trainable": section.trainable,
        "name": "descriptor",
    }
