"""Dipole moments of atoms."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deepattn.fittings.dipole.config import DipoleFittingConfig
from deepattn.fittings.tensors import TensorFitting


@keras.saving.register_keras_serializable(package="deepattn")
class DipoleFitting(TensorFitting):
    """Dipole moment of each atom, ``μ = Σ_m n_m T_m``: a net's numbers n times equivariant rows T.

    Reference: L. Zhang et al., Phys. Rev. B 102, 041121 (2020), arXiv:1906.11434.

    Args:
        ntypes, descriptor_width: As for `TensorFitting`.
        **kwargs: As for `TensorFitting`.

    Output shape: ``[nframes, nloc, 3]``, in the unit of the labels.
    """

    graph_type = DipoleFittingConfig.graph_type

    @property
    def output_width(self) -> int:
        return self.rows

    def contract(self, values: tf.Tensor, vectors: tf.Tensor) -> tf.Tensor:
        return tf.matmul(values[:, tf.newaxis], vectors)[:, 0]

    def graph_attributes(self) -> dict[str, Any]:
        return {**super().graph_attributes(), "model_attr/output_dim": np.int32(3)}
