"""The base of layers with one environment matrix and embedding nets."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from deepattn.config import network_dtype
from deepattn.descriptors.one_matrix.config import OneMatrixConfig
from deepattn.layers.descriptor import Descriptor
from deepattn.layers.embedding_net import scoped_variables
from deepattn.layers.environment import pair_table


class OneMatrix(Descriptor, abc.ABC):
    """Descriptor made of one environment matrix by embedding nets.

    Args:
        ntypes: Number of types.
        rcut: Cutoff radius, Å.
        rcut_smth: Where switching to zero begins, Å.
        sel: Largest number of neighbors.
        neuron: Widths of the embedding nets.
        activation: Name of the nets' activation.
        resnet_dt: Whether the nets have time steps.
        exclude_types: Pairs of types that do not interact.
        common: Whether the details are those of DeePMD-kit's backends other than TensorFlow.
        protection: Added to distances that divide, Å.
        seed: Seed of the weights.
        interface_dtype: Precision of coordinates, statistics and result; ``dtype`` is the nets'.
    """

    def __init__(
        self,
        ntypes: int,
        *,
        rcut: float,
        rcut_smth: float,
        sel: int | Sequence[int],
        neuron: Sequence[int],
        activation: str = "tanh",
        resnet_dt: bool = False,
        exclude_types: Sequence[Sequence[int]] = (),
        common: bool = False,
        protection: float = 0.0,
        seed: int | None = None,
        interface_dtype: str = "float64",
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
        self.neuron = tuple(neuron)
        self.activation = activation
        self.resnet_dt = resnet_dt
        self.exclude_types = [list(pair) for pair in exclude_types]
        self.common = common
        self.protection = float(protection)
        self.seed = seed
        self._pairs = pair_table(ntypes, exclude_types)

    @property
    def excluded_pairs(self) -> np.ndarray | None:
        """`pair_table` of the pairs that do not interact."""
        return self._pairs

    def named_variables(self) -> dict[str, keras.Variable]:
        """Weights and statistics under DeePMD's names."""
        return {**self._net_variables(), **super().named_variables()}

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "neuron": list(self.neuron),
            "activation": self.activation,
            "resnet_dt": self.resnet_dt,
            "exclude_types": self.exclude_types,
            "common": self.common,
            "protection": self.protection,
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


def one_matrix_arguments(
    section: OneMatrixConfig, *, common: bool, interface_dtype: str
) -> dict[str, Any]:
    """Arguments of `OneMatrix` from the keys of a section."""
    return {
        "rcut": section.rcut,
        "rcut_smth": section.rcut_smth,
        "sel": section.sel,
        "neuron": section.neuron,
        "activation": section.activation_function,
        "resnet_dt": section.resnet_dt,
        "exclude_types": section.exclude_types,
        "common": common,
        "protection": section.env_protection,
        "seed": section.seed,
        "interface_dtype": interface_dtype,
        "dtype": network_dtype(section.precision, interface_dtype),
        "trainable": section.trainable,
        "name": "descriptor",
    }
