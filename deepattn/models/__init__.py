"""Keras models: atoms to energy, forces and virial."""

from deepattn.models.build import build_model
from deepattn.models.energy_model import EnergyModel
from deepattn.models.load import frozen_model, load_model
from deepattn.models.weights import resize_statistics

__all__ = ["EnergyModel", "build_model", "frozen_model", "load_model", "resize_statistics"]
