"""The second block of DPA-2: layers in which features of atoms and pairs inform each other."""

from deepattn.descriptors.dpa2.repformer.layer import RepformerLayer
from deepattn.descriptors.dpa2.repformer.local_attention import LocalAttention
from deepattn.descriptors.dpa2.repformer.options import RepformerOptions
from deepattn.descriptors.dpa2.repformer.pair_attention import PairAttention
from deepattn.descriptors.dpa2.repformer.stack import Repformers
from deepattn.descriptors.dpa2.repformer.update import Update

__all__ = [
    "LocalAttention",
    "PairAttention",
    "RepformerLayer",
    "RepformerOptions",
    "Repformers",
    "Update",
]
