"""Frames in the files of other codes, by way of dpdata and ASE."""

from deepattn.foreign.detect import detect_foreign
from deepattn.foreign.frames import Frames, read_file

__all__ = ["Frames", "detect_foreign", "read_file"]
