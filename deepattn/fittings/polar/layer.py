"""Polarizabilities of atoms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deepattn.config import ModelConfig
from deepattn.fittings.polar.config import PolarFittingConfig
from deepattn.fittings.polar.graph import SHIFT
from deepattn.fittings.tensors import TensorFitting
from deepattn.layers.descriptor import Descriptor
from deepattn.layers.environment import real_types


@keras.saving.register_keras_serializable(package="deepattn")
class PolarFitting(TensorFitting):
    """Polarizability of each atom, ``α = s Tᵀ N T + c 1``.

    T are the M equivariant rows, N is a symmetric matrix that the net gives, of which it may give
    the diagonal alone, s the factor and c the shift of the atom's type.

    Reference: G. M. Sommers et al., Phys. Chem. Chem. Phys. 22, 10592 (2020), arXiv:2004.07369.

    Args:
        ntypes, descriptor_width: As for `TensorFitting`.
        fit_diag: Whether the net gives the diagonal of N alone.
        scale: s of each type.
        **kwargs: As for `TensorFitting`.

    Output shape: ``[nframes, nloc, 9]``, in the unit of the labels.
    """

    graph_type = PolarFittingConfig.graph_type

    def __init__(
        self,
        ntypes: int,
        descriptor_width: int,
        *,
        fit_diag: bool = True,
        scale: Sequence[float] = (),
        **kwargs: Any,
    ) -> None:
        self.fit_diag = fit_diag
        self.scale = tuple(scale) or (1.0,) * ntypes
        super().__init__(ntypes, descriptor_width, **kwargs)

    @classmethod
    def own_arguments(
        cls, section: Any, model: ModelConfig, descriptor: Descriptor
    ) -> dict[str, Any]:
        return {
            **super().own_arguments(section, model, descriptor),
            "fit_diag": section.fit_diag,
            "scale": section.scale_of_types(model.ntypes),
        }

    @property
    def output_width(self) -> int:
        return self.rows if self.fit_diag else self.rows**2

    def build(self, *_: object) -> None:
        self.shift = self._constant("constant_matrix", (self.ntypes,))
        super().build()

    def contract(self, values: tf.Tensor, vectors: tf.Tensor) -> tf.Tensor:
        if self.fit_diag:
            weighted = values[:, :, tf.newaxis] * vectors
        else:
            matrix = tf.reshape(values, [-1, self.rows, self.rows])
            symmetric = matrix + tf.transpose(matrix, [0, 2, 1])
            weighted = tf.matmul(symmetric / 2 if self.common else symmetric, vectors)
        return tf.reshape(tf.matmul(vectors, weighted, transpose_a=True), [-1, 9])

    def finished(self, tensors: tf.Tensor, atype: tf.Tensor) -> tf.Tensor:
        kind = tf.gather(tf.constant(self._places()), real_types(atype, self.ntypes))
        scale = tf.gather(tf.constant(self.scale, tensors.dtype), kind)[:, tf.newaxis]
        shift = tf.gather(tf.convert_to_tensor(self.shift), kind)[:, tf.newaxis]
        unit = tf.constant(np.eye(3).reshape(1, 9), tensors.dtype)
        if self.common:
            shift *= scale
        return tensors * scale + shift * unit

    def named_variables(self) -> dict[str, keras.Variable]:
        """Weights and shifts under DeePMD's names."""
        return {**super().named_variables(), SHIFT: self.shift}

    def graph_attributes(self) -> dict[str, Any]:
        return {**super().graph_attributes(), "model_attr/output_dim": np.int32(9)}

    def get_config(self) -> dict:
        return {**super().get_config(), "fit_diag": self.fit_diag, "scale": list(self.scale)}

    def _places(self) -> np.ndarray:
        """The place of each type in factors and shifts, int32 ``[ntypes]``.

        With a net for each type DeePMD-kit's TensorFlow backend counts the chosen types alone.
        """
        places = np.arange(self.ntypes, dtype=np.int32)
        if not self.shared and not self.common:
            for place, kind in enumerate(self.types):
                places[kind] = place
        return places
