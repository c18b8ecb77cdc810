"""Models as files that other programs run."""

from deepattn.export.freeze import freeze

__all__ = ["freeze"]
