"""What models are made of: their layers, and the weights of these by name."""

from __future__ import annotations

import deepattn.keras_backend  # noqa: F401

# isort: split
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from deepattn.config import FittingConfig
from deepattn.layers import Descriptor, Fitting, TypeEmbedding
from deepattn.layers.environment import pair_table
from deepattn.layers.half import use_bfloat16
from deepattn.models.classes import layer_classes
from deepattn.models.trained_model import TrainedModel
from deepattn.models.weights import assign_arrays
from deepattn.registry import resolve

if TYPE_CHECKING:
    from typing_extensions import Self


class LayeredModel(TrainedModel):
    """A model of a descriptor, a fitting and perhaps a type embedding.

    Args:
        descriptor: A `Descriptor`, such as `SeAtten` or `DPA2`.
        fitting: A `Fitting`.
        type_embedding: A `TypeEmbedding`, or ``None`` for a descriptor that does without.
        type_map: Names of the types, in the order of their numbers; empty if they have none.
        pair_exclude_types: Pairs of types that are no neighbors of each other.
        atom_exclude_types: Types whose atoms contribute nothing.
    """

    # Whether the atomic parameter is the residue of an atom, of whose parts models are evaluated.
    of_residues: ClassVar[bool] = False

    def __init__(
        self,
        descriptor: Descriptor,
        fitting: Fitting,
        type_embedding: TypeEmbedding | None = None,
        *,
        type_map: Sequence[str],
        pair_exclude_types: Sequence[Sequence[int]] = (),
        atom_exclude_types: Sequence[int] = (),
        **kwargs: Any,
    ):
        super().__init__(**{"autocast": False, **kwargs})
        if len(type_map) not in (0, descriptor.ntypes):
            raise ValueError(
                f"type_map has {len(type_map)} names, but the descriptor has "
                f"{descriptor.ntypes} types"
            )
        self.descriptor = descriptor
        self.fitting = fitting
        self.type_embedding = type_embedding
        self.type_map = list(type_map)
        self.pair_exclude_types = [list(pair) for pair in pair_exclude_types]
        self.atom_exclude_types = list(atom_exclude_types)
        self._pairs = pair_table(descriptor.ntypes, pair_exclude_types)
        # The environment ops have no XLA kernels.
        self.supports_jit = False
        self.build()

    @classmethod
    def of_layers(
        cls,
        descriptor: Descriptor,
        fitting: Fitting,
        type_embedding: TypeEmbedding | None,
        *,
        section: FittingConfig,
        **options: Any,
    ) -> Self:
        """The model of a fitting section, made of its layers.

        Args:
            descriptor, fitting, type_embedding: As for the class.
            section: The section ``fitting_net``.
            **options: Further arguments of the class.
        """
        return cls(descriptor, fitting, type_embedding, **options)

    @property
    def numb_aparam(self) -> int:
        """Number of atomic parameters."""
        return self.fitting.numb_aparam

    @property
    def rcut(self) -> float:
        """Cutoff radius, Å."""
        return self.descriptor.rcut

    @property
    def sel(self) -> int:
        """Number of neighbor slots of an atom."""
        return self.descriptor.nnei

    @property
    def excludes(self) -> bool:
        """Whether there are types of atoms or pairs that the model as a whole leaves out."""
        return self._pairs is not None or bool(self.atom_exclude_types)

    @property
    def ntypes(self) -> int:
        """Number of types."""
        return self.descriptor.ntypes

    @property
    def interface_dtype(self) -> str:
        """Precision of coordinates, forces and statistics."""
        return self.descriptor.interface_dtype

    def build(self, input_shape: object = None) -> None:
        for layer in (self.descriptor, self.fitting, self.type_embedding):
            if layer is not None and not layer.built:
                layer.build()
        self.built = True

    def multiply_in_bfloat16(self) -> None:
        """Let the nets round their matrix products to bfloat16, in mixed-precision training.

        Weights, energies and the environment matrix keep their precisions. It is no part of the
        configuration: a model that is read from a file computes in the precision of its weights.
        """
        use_bfloat16(self.descriptor)
        use_bfloat16(self.fitting)

    def type_vectors(self) -> tf.Tensor | None:
        """Type embedding ``[ntypes + 1, width]``, or ``None``."""
        return None if self.type_embedding is None else self.type_embedding.table()

    def named_variables(self) -> dict[str, keras.Variable]:
        """All weights under DeePMD's names, trained or not."""
        variables = self.descriptor.named_variables()
        if self.type_embedding is not None:
            variables.update(self.type_embedding.named_variables())
        variables.update(self.fitting.named_variables())
        return variables

    def get_arrays(self) -> dict[str, np.ndarray]:
        """Values of `named_variables`."""
        return {name: v.numpy() for name, v in self.named_variables().items()}

    def set_arrays(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Set all weights.

        Raises:
            ModelFileError: A weight is missing or superfluous or has another shape.
        """
        assign_arrays(self.named_variables(), arrays)

    def options(self) -> dict[str, Any]:
        """The arguments of the class besides its layers."""
        return {
            "type_map": self.type_map,
            "pair_exclude_types": self.pair_exclude_types,
            "atom_exclude_types": self.atom_exclude_types,
        }

    def get_config(self) -> dict:
        layers = {
            "descriptor": self.descriptor,
            "fitting": self.fitting,
            "type_embedding": self.type_embedding,
        }
        return {
            **super().get_config(),
            **self.options(),
            **{k: keras.saving.serialize_keras_object(v) for k, v in layers.items()},
        }

    @classmethod
    def from_config(cls, config: dict) -> Self:
        config = dict(config)
        # Keras finds classes by name once they are imported.
        for reference in layer_classes():
            resolve(reference)
        for key in ("descriptor", "fitting", "type_embedding"):
            # A layer that another model has too is there already.
            if not isinstance(config[key], keras.layers.Layer):
                config[key] = keras.saving.deserialize_keras_object(config[key])
        return cls(**config)
