"""Densities of states of atoms from descriptors."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deepattn.config import ModelConfig
from deepattn.fittings.dos.config import DosFittingConfig
from deepattn.fittings.dos.graph import BIAS_DOS
from deepattn.fittings.nets import NetFitting
from deepattn.layers.descriptor import Descriptor
from deepattn.layers.environment import real_types


@keras.saving.register_keras_serializable(package="deepattn")
class DosFitting(NetFitting):
    """Density of states of each atom: a fitting net of its descriptor plus a bias of its type.

    Reference: J. Zeng et al., J. Chem. Phys. 159, 054801 (2023).

    Args:
        ntypes: Number of types.
        descriptor_width: Width of the descriptor.
        numb_dos: Number of points of the energy grid.
        **kwargs: As for `NetFitting`.

    Output shape: ``[nframes, nloc, numb_dos]``.
    """

    graph_type = DosFittingConfig.graph_type

    def __init__(
        self, ntypes: int, descriptor_width: int, *, numb_dos: int = 300, **kwargs: Any
    ) -> None:
        self._numb_dos = numb_dos
        super().__init__(ntypes, descriptor_width, **kwargs)

    @classmethod
    def own_arguments(
        cls, section: DosFittingConfig, model: ModelConfig, descriptor: Descriptor
    ) -> dict[str, Any]:
        return {"numb_dos": section.numb_dos}

    @property
    def output_width(self) -> int:
        return self._numb_dos

    def build(self, *_: object) -> None:
        self.bias_dos = self._constant("bias_dos", (self.ntypes, self._numb_dos))
        super().build()

    def call(
        self,
        descriptor: tf.Tensor,
        atype: tf.Tensor,
        type_embedding: tf.Tensor | None = None,
        fparam: tf.Tensor | None = None,
        aparam: tf.Tensor | None = None,
    ) -> tf.Tensor:
        values = self._net_values(descriptor, atype, type_embedding, fparam, aparam)
        bias = tf.gather(tf.convert_to_tensor(self.bias_dos), real_types(atype, self.ntypes))
        return self._by_atom(tf.cast(values, self.interface_dtype) + bias, atype)

    def named_variables(self) -> dict[str, keras.Variable]:
        """Weights, biases and parameter statistics under DeePMD's names."""
        return {**super().named_variables(), BIAS_DOS: self.bias_dos}

    def graph_attributes(self) -> dict[str, Any]:
        return {**super().graph_attributes(), "fitting_attr/numb_dos": np.int32(self._numb_dos)}

    def get_config(self) -> dict:
        return {**super().get_config(), "numb_dos": self._numb_dos}
