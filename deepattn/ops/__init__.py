"""Neighbors, environment matrix, attention, force, virial as TensorFlow ops with gradients."""

from deepattn.ops.adam import AdamNumbers, adam_step
from deepattn.ops.attention import AttentionParameters, gated_attention
from deepattn.ops.embedded_sums import angle_sums, embedded_contraction
from deepattn.ops.fitting_nets import MOST_HIDDEN, FittingNets, fits_whole_potentials
from deepattn.ops.functions import (
    EnvMat,
    EnvMatA,
    first_unsearchable,
    gelu,
    neighbor_stat,
    prod_env_mat_a,
    prod_env_mat_a_mix,
    prod_force_se_a,
    prod_virial_se_a,
    total_virial,
)
from deepattn.ops.invariants import invariants
from deepattn.ops.loader import (
    fast_library,
    instruction_set,
    library,
    plain,
    portable,
)
from deepattn.ops.neighbor_sums import NeighborSums, neighbor_sums
from deepattn.ops.pair_attention import pair_attention
from deepattn.ops.pair_embedding import DenseLayer, PairScale, PairVectors, pair_embedding
from deepattn.ops.product import product
from deepattn.ops.smooth_potential import (
    EmbeddingNets,
    SmoothDescriptor,
    has_smooth_potential,
    smooth_potential,
)
from deepattn.ops.tabulated import (
    Tables,
    table_stride,
    tabulate_fusion_se_a,
    tabulate_fusion_se_atten,
    tabulated_contraction,
    tabulated_embedding,
)
from deepattn.ops.tabulated_potential import (
    DistanceBasis,
    Potential,
    TabulatedDescriptor,
    tabulated_potential,
)

__all__ = [
    "MOST_HIDDEN",
    "AdamNumbers",
    "AttentionParameters",
    "DenseLayer",
    "DistanceBasis",
    "EmbeddingNets",
    "EnvMat",
    "EnvMatA",
    "FittingNets",
    "NeighborSums",
    "PairScale",
    "PairVectors",
    "Potential",
    "SmoothDescriptor",
    "Tables",
    "TabulatedDescriptor",
    "adam_step",
    "angle_sums",
    "embedded_contraction",
    "fast_library",
    "first_unsearchable",
    "fits_whole_potentials",
    "gated_attention",
    "gelu",
    "has_smooth_potential",
    "instruction_set",
    "invariants",
    "library",
    "neighbor_stat",
    "neighbor_sums",
    "pair_attention",
    "pair_embedding",
    "plain",
    "portable",
    "prod_env_mat_a",
    "prod_env_mat_a_mix",
    "prod_force_se_a",
    "prod_virial_se_a",
    "product",
    "smooth_potential",
    "table_stride",
    "tabulate_fusion_se_a",
    "tabulate_fusion_se_atten",
    "tabulated_contraction",
    "tabulated_embedding",
    "tabulated_potential",
    "total_virial",
]
