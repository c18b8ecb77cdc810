"""The physics, written once: Keras layers of attention-based deep potentials."""

import deepattn.keras_backend  # noqa: F401
from deepattn.layers.activations import get_activation
from deepattn.layers.compressed_se_atten import CompressedSeAtten
from deepattn.layers.dpa2 import DPA2
from deepattn.layers.embedding_net import EmbeddingNet
from deepattn.layers.energy_fitting import EnergyFitting
from deepattn.layers.environment import Environment
from deepattn.layers.environment_matrix import EnvironmentMatrix
from deepattn.layers.fitting_net import FittingNet
from deepattn.layers.gated_attention import GatedAttention
from deepattn.layers.initializers import SeededNormal
from deepattn.layers.repformer import RepformerOptions, Repformers
from deepattn.layers.repinit import RepInit
from deepattn.layers.residual_dense import ResidualDense
from deepattn.layers.se_atten import SeAtten
from deepattn.layers.se_e2_a import SeE2A
from deepattn.layers.three_body import ThreeBody
from deepattn.layers.type_embedding import TypeEmbedding

__all__ = [
    "DPA2",
    "CompressedSeAtten",
    "EmbeddingNet",
    "EnergyFitting",
    "Environment",
    "EnvironmentMatrix",
    "FittingNet",
    "GatedAttention",
    "RepInit",
    "RepformerOptions",
    "Repformers",
    "ResidualDense",
    "SeAtten",
    "SeE2A",
    "SeededNormal",
    "ThreeBody",
    "TypeEmbedding",
    "get_activation",
]
