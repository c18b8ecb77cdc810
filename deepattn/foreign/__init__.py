"""Frames in the files of other codes, by way of dpdata and ASE."""

from deepattn.foreign.detect import detect_foreign
from deepattn.foreign.frames import StoredFrames, read_file

__all__ = ["StoredFrames", "detect_foreign", "read_file"]
