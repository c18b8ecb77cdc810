"""A model from a file as a term of another one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from deepattn.config import ModelConfig
from deepattn.errors import ModelFileError
from deepattn.layers import TypeEmbedding
from deepattn.models.energy_model import EnergyModel
from deepattn.models.files import open_model_file
from deepattn.terms.frozen.config import FrozenConfig
from deepattn.terms.model_term import ModelTerm

if TYPE_CHECKING:
    from typing_extensions import Self


@keras.saving.register_keras_serializable(package="deepattn")
class FrozenTerm(ModelTerm):
    """The energies of a model that is not trained.

    Args:
        model: The model.
    """

    def __init__(self, model: EnergyModel, **kwargs: Any):
        super().__init__(model, **{"trainable": False, **kwargs})
        self.model.trainable = False

    @classmethod
    def from_section(
        cls,
        section: FrozenConfig,
        model: ModelConfig,
        *,
        interface_dtype: str,
        arrays: Mapping[str, np.ndarray] | None,
        type_embedding: TypeEmbedding | None,
    ) -> Self:
        path = section.model_file
        file = open_model_file(path)
        found = file.build()
        if not isinstance(found, EnergyModel):
            raise ModelFileError(
                f"{path}: is a model of {file.fitting_kind.subject}; a term needs one of energies"
            )
        if list(found.type_map) != list(model.type_map):
            raise ModelFileError(
                f"{path}: has the types {' '.join(found.type_map)}, but model/type_map is "
                f"{' '.join(model.type_map)}; they must be the same"
            )
        if found.descriptor.passes_messages:
            raise ModelFileError(f"{path}: passes messages, which a term cannot")
        if found.fitting.numb_fparam or found.numb_aparam:
            raise ModelFileError(
                f"{path}: has frame or atomic parameters, which a term cannot have"
            )
        if found.interface_dtype != interface_dtype:
            raise ModelFileError(
                f"{path}: has coordinates in {found.interface_dtype}, not in {interface_dtype}; "
                "set DP_INTERFACE_PREC accordingly"
            )
        for name, array in found.get_arrays().items():
            if arrays is not None and not np.array_equal(arrays.get(name, np.nan), array):
                raise ModelFileError(
                    f"{path}: is not the model that was a term in the training: {name} differs"
                )
        return cls(found)
