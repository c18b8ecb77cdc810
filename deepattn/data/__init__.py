"""Frames on disk, in all of DeePMD's layouts, and the batches drawn from them.

NumPy arrays throughout; nothing here imports TensorFlow.
"""

from deepattn.data.dataset import ArraySpec, Batch, DataSet
from deepattn.data.sampler import Sampler
from deepattn.data.search import find_systems, read_list
from deepattn.data.summary import summary_lines
from deepattn.data.system import System

__all__ = [
    "ArraySpec",
    "Batch",
    "DataSet",
    "Sampler",
    "System",
    "find_systems",
    "read_list",
    "summary_lines",
]
