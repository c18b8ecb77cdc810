"""The physics, written once: building blocks of descriptors and fittings."""

import deepattn.keras_backend  # noqa: F401
from deepattn.layers.activations import get_activation
from deepattn.layers.descriptor import Descriptor, Features
from deepattn.layers.embedding_net import EmbeddingNet
from deepattn.layers.environment import Environment
from deepattn.layers.fitting import Fitting
from deepattn.layers.fitting_net import FittingNet
from deepattn.layers.gated_attention import GatedAttention
from deepattn.layers.initializers import SeededNormal
from deepattn.layers.residual_dense import ResidualDense
from deepattn.layers.type_embedding import TypeEmbedding

__all__ = [
    "Descriptor",
    "EmbeddingNet",
    "Environment",
    "Features",
    "Fitting",
    "FittingNet",
    "GatedAttention",
    "ResidualDense",
    "SeededNormal",
    "TypeEmbedding",
    "get_activation",
]
