"""Models as files that other programs run."""

import deepattn.keras_backend  # noqa: F401
from deepattn.export.compress import compress
from deepattn.export.compression import Compressed, compress_model
from deepattn.export.convert import convert
from deepattn.export.freeze import freeze, require_ops
from deepattn.export.saved_model import save_model

__all__ = [
    "Compressed",
    "compress",
    "compress_model",
    "convert",
    "freeze",
    "require_ops",
    "save_model",
]
