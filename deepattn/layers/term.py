"""The base of potentials that are added to the model that is trained."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from deepattn.config import ModelConfig

if TYPE_CHECKING:
    from typing_extensions import Self


class Term(keras.layers.Layer, abc.ABC):
    """A potential without weights that are trained.

    Attributes:
        rcut: Cutoff radius, Å.
    """

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
    ) -> Self:
        """Build the term that a section of an input describes.

        Args:
            section: The typed section.
            model: The ``model`` section that it belongs to.
            interface_dtype: Precision of coordinates and results.
            arrays: Its numbers by name as a file has kept them; None to read them from the files
                that the section names.
        """

    @abc.abstractmethod
    def potential(self, inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Energies, forces and virials, as of `deepattn.models.EnergyModel`.

        Args:
            inputs: ``coord`` ``[nframes, nall, 3]``, ``atype`` int32 ``[nframes, nall]``, ``box``
                ``[nframes, 9]``, ``natoms`` and perhaps ``mesh`` as DeePMD-kit's operations take
                them.
        """

    @abc.abstractmethod
    def named_variables(self) -> dict[str, keras.Variable]:
        """Numbers by the names that files have for them."""
