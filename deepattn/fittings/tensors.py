"""The base of fittings of tensors: nets, and the equivariant rows of a descriptor."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from deepattn.config import ModelConfig
from deepattn.fittings.nets import NetFitting
from deepattn.fittings.tensor_config import TensorFittingConfig
from deepattn.layers.descriptor import Descriptor
from deepattn.layers.environment import atoms_of_types


class TensorFitting(NetFitting, abc.ABC):
    """A tensor of each atom, which turns with the frame.

    Args:
        ntypes: Number of types.
        descriptor_width: Width of the descriptor.
        rows: Number M of equivariant rows.
        chosen: Types of the atoms that have a tensor, in rising order; None for all.
        **kwargs: As for `NetFitting`.

    Call arguments:
        descriptor: ``[nframes, nloc, descriptor_width]``.
        atype: int32 ``[nframes, nloc]``; atoms of negative type have no tensor.
        type_embedding: ``[ntypes + 1, tebd_dim]``, or ``None``.
        fparam, aparam: None.
        vectors: Equivariant rows T, ``[nframes, nloc, M, 3]``.

    Output shape: ``[nframes, nloc, components]``.
    """

    def __init__(
        self,
        ntypes: int,
        descriptor_width: int,
        *,
        rows: int,
        chosen: Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        self.rows = rows
        self.chosen = None if chosen is None else tuple(chosen)
        self._ntypes = ntypes
        super().__init__(ntypes, descriptor_width, **kwargs)

    @classmethod
    def own_arguments(
        cls, section: TensorFittingConfig, model: ModelConfig, descriptor: Descriptor
    ) -> dict[str, Any]:
        return {"rows": descriptor.equivariant_width, "chosen": section.chosen}

    @property
    def fitted_types(self) -> Sequence[int]:
        # In the common convention there is a net for every type.
        if self.chosen is None or self.common:
            return range(self._ntypes)
        return self.chosen

    @property
    def types(self) -> tuple[int, ...]:
        """Types of the atoms that have a tensor."""
        return tuple(range(self.ntypes)) if self.chosen is None else self.chosen

    @abc.abstractmethod
    def contract(self, values: tf.Tensor, vectors: tf.Tensor) -> tf.Tensor:
        """The tensors of n atoms, ``[n, components]``.

        Args:
            values: Output of the nets, ``[n, output_width]``.
            vectors: T, ``[n, M, 3]``.
        """

    def call(
        self,
        descriptor: tf.Tensor,
        atype: tf.Tensor,
        type_embedding: tf.Tensor | None = None,
        fparam: tf.Tensor | None = None,
        aparam: tf.Tensor | None = None,
        vectors: tf.Tensor | None = None,
    ) -> tf.Tensor:
        if vectors is None:
            raise ValueError("vectors must be given: tensors are made of equivariant rows")
        values = self._net_values(descriptor, atype, type_embedding, fparam, aparam)
        rows = tf.cast(tf.reshape(vectors, [-1, self.rows, 3]), self.compute_dtype)
        tensors = tf.cast(self.contract(values, rows), self.interface_dtype)
        tensors = self._by_atom(self.finished(tensors, atype), atype)
        if self.chosen is None:
            return tensors
        kept = atoms_of_types(atype, self.ntypes, self.chosen)
        return tf.where(kept[:, :, tf.newaxis], tensors, tf.zeros_like(tensors))

    def finished(self, tensors: tf.Tensor, atype: tf.Tensor) -> tf.Tensor:
        """Tensors ``[n, components]`` in the interface precision with all that is added to them."""
        return tensors

    def graph_attributes(self) -> dict[str, Any]:
        return {"model_attr/sel_type": np.asarray(self.types, np.int32)}

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "rows": self.rows,
            "chosen": None if self.chosen is None else list(self.chosen),
        }
