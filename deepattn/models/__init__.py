"""Keras models: atoms to energy, forces and virial."""

import deepattn.keras_backend  # noqa: F401
from deepattn.models.build import build_model
from deepattn.models.energy_model import EnergyModel
from deepattn.models.load import StoredModel, load_model, read_model
from deepattn.models.tasks import build_models, unique_variables
from deepattn.models.weights import resize_statistics

__all__ = [
    "EnergyModel",
    "StoredModel",
    "build_model",
    "build_models",
    "load_model",
    "read_model",
    "resize_statistics",
    "unique_variables",
]
