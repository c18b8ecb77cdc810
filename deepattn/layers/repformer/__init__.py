"""The second block of DPA-2: layers in which features of atoms and pairs inform each other."""

from deepattn.layers.repformer.layer import RepformerLayer
from deepattn.layers.repformer.local_attention import LocalAttention
from deepattn.layers.repformer.options import RepformerOptions
from deepattn.layers.repformer.pair_attention import PairAttention
from deepattn.layers.repformer.stack import Repformers
from deepattn.layers.repformer.update import Update

__all__ = [
    "LocalAttention",
    "PairAttention",
    "RepformerLayer",
    "RepformerOptions",
    "Repformers",
    "Update",
]
