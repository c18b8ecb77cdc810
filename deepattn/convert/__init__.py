"""Bringing data of other codes into DeePMD's layouts, by way of dpdata."""

from deepattn.convert.read import read_frames
from deepattn.convert.summary import ElementSummary, summarize
from deepattn.convert.write import LAYOUTS, write_systems

__all__ = ["LAYOUTS", "ElementSummary", "read_frames", "summarize", "write_systems"]
