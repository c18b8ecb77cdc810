"""The physics, written once: Keras layers of attention-based deep potentials."""

from deepattn.layers.activations import get_activation
from deepattn.layers.compressed_se_atten import CompressedSeAtten
from deepattn.layers.embedding_net import EmbeddingNet
from deepattn.layers.energy_fitting import EnergyFitting
from deepattn.layers.environment import Environment
from deepattn.layers.fitting_net import FittingNet
from deepattn.layers.gated_attention import GatedAttention
from deepattn.layers.initializers import SeededNormal
from deepattn.layers.residual_dense import ResidualDense
from deepattn.layers.se_atten import SeAtten
from deepattn.layers.se_e2_a import SeE2A
from deepattn.layers.type_embedding import TypeEmbedding

__all__ = [
    "CompressedSeAtten",
    "EmbeddingNet",
    "EnergyFitting",
    "Environment",
    "FittingNet",
    "GatedAttention",
    "ResidualDense",
    "SeAtten",
    "SeE2A",
    "SeededNormal",
    "TypeEmbedding",
    "get_activation",
]
