"""What terms that are models have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from deepattn.layers.boundaries import mesh_of_box
from deepattn.layers.term import POTENTIAL, Term
from deepattn.models.blocks import infer
from deepattn.models.energy_model import EnergyModel

if TYPE_CHECKING:
    from typing_extensions import Self


class ModelTerm(Term):
    """The energies of a model without messages and parameters.

    Args:
        model: The model.
    """

    def __init__(self, model: EnergyModel, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)
        self.model = model
        self.rcut = model.rcut

    def build(self, *_: object) -> None:
        self.built = True

    def potential(self, inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        found = infer(self.model, self._inputs(inputs))
        return {name: found[name] for name in POTENTIAL}

    def named_variables(self) -> dict[str, keras.Variable]:
        return self.model.named_variables()

    def get_config(self) -> dict[str, Any]:
        model = keras.saving.serialize_keras_object(self.model)
        return {**super().get_config(), "model": model}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        model = keras.saving.deserialize_keras_object(config["model"])
        return cls(**{**config, "model": model})

    def _inputs(self, inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        dtype = self.model.interface_dtype
        coord, box = (tf.cast(inputs[name], dtype) for name in ("coord", "box"))
        mesh = inputs.get("mesh")
        given = {"coord": coord, "atype": inputs["atype"], "box": box, "natoms": inputs["natoms"]}
        return {**given, "mesh": mesh_of_box(box) if mesh is None else mesh}
