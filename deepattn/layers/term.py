"""The base of potentials that are added to the model that is trained."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from deepattn.config import ModelConfig
from deepattn.layers.type_embedding import TypeEmbedding

if TYPE_CHECKING:
    from typing_extensions import Self


# What potentials give, as of `deepattn.models.EnergyModel`.
POTENTIAL = ("energy", "atom_energy", "force", "virial", "atom_virial")


class Term(keras.layers.Layer, abc.ABC):
    """A potential that is added to a model.

    Class attributes:
        trained: Whether it has weights that are trained. Such a class has `prepare` and
            `trained_potential` too.

    Attributes:
        rcut: Cutoff radius, Å.
    """

    trained: ClassVar[bool] = False
    rcut: float

    @classmethod
    @abc.abstractmethod
    def from_section(
        cls,
        section: Any,
        model: ModelConfig,
        *,
        interface_dtype: str,
        arrays: Mapping[str, np.ndarray] | None,
        type_embedding: TypeEmbedding | None,
    ) -> Self:
        """Build the term that a section of an input describes.

        Args:
            section: The typed section.
            model: The ``model`` section that it belongs to.
            interface_dtype: Precision of coordinates and results.
            arrays: Its numbers by name as a file has kept them; None to read them from the files
                that the section names.
            type_embedding: The type embedding, if all models of a combination have the same.
        """

    @abc.abstractmethod
    def potential(self, inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Energies, forces and virials, by the names in `POTENTIAL`.

        Args:
            inputs: ``coord`` ``[nframes, nall, 3]``, ``atype`` int32 ``[nframes, nall]``, ``box``
                ``[nframes, 9]``, ``natoms`` and perhaps ``mesh`` as DeePMD-kit's operations take
                them.
        """

    def prepare(self, inputs: Mapping[str, tf.Tensor]) -> dict[str, Any]:
        """What a training needs of inputs that no weight changes; arguments as of `potential`."""
        raise NotImplementedError(f"{type(self).__name__} is not trained")

    def trained_potential(self, prepared: Mapping[str, Any]) -> dict[str, tf.Tensor]:
        """The same as `potential` of what `prepare` gave; it can be differentiated again."""
        raise NotImplementedError(f"{type(self).__name__} is not trained")

    @abc.abstractmethod
    def named_variables(self) -> dict[str, keras.Variable]:
        """Numbers by the names that files have for them."""
