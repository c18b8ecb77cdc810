"""Model files of every kind, recognized by their content and read once."""

from deepattn.models.files.base import ModelFile, StoredModel
from deepattn.models.files.opening import (
    MODEL_FILES,
    find_model,
    load_model,
    open_model_file,
    read_model,
)

__all__ = [
    "MODEL_FILES",
    "ModelFile",
    "StoredModel",
    "find_model",
    "load_model",
    "open_model_file",
    "read_model",
]
