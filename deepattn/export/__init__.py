"""Models as files that other programs run."""

from deepattn.export.compress import compress
from deepattn.export.convert import convert
from deepattn.export.freeze import freeze, require_ops

__all__ = ["compress", "convert", "freeze", "require_ops"]
