"""The compiled ops in plain TensorFlow: oracle, fallback and readable definition."""

from deepattn.ops.reference.adam import adam_step
from deepattn.ops.reference.embedded_sums import (
    angle_sums,
    embedded_contraction,
    embedded_sums,
    embedded_sums_backward,
    embedded_sums_double_backward,
)
from deepattn.ops.reference.env_mat import (
    NO_GRADIENT,
    environment_rows,
    prod_env_mat_a,
    prod_env_mat_a_mix,
)
from deepattn.ops.reference.gated_attention import (
    gated_attention,
    gated_attention_backward,
    gated_attention_reverse,
    gated_attention_tangent,
    normalize_rows,
    unit_rows,
)
from deepattn.ops.reference.gelu import gelu, gelu_grad, gelu_grad_grad
from deepattn.ops.reference.invariants import invariants
from deepattn.ops.reference.neighbor_softmax import neighbor_softmax
from deepattn.ops.reference.neighbor_stat import neighbor_stat
from deepattn.ops.reference.neighbor_sums import (
    neighbor_sums,
    neighbor_sums_backward,
    neighbor_sums_double_backward,
)
from deepattn.ops.reference.pair_attention import (
    pair_attention,
    pair_attention_backward,
    pair_attention_double_backward,
    pair_attention_weights,
)
from deepattn.ops.reference.pair_embedding import (
    pair_embedding,
    pair_embedding_backward,
    pair_embedding_double_backward,
    residual_layer,
)
from deepattn.ops.reference.pairs import (
    pair_derivative,
    prod_force_se_a,
    prod_force_se_a_grad,
    prod_virial_se_a,
    prod_virial_se_a_grad,
)
from deepattn.ops.reference.smooth_potential import smooth_potential
from deepattn.ops.reference.switch import (
    moving_vectors,
    quintic_switch,
    switch_of_distance,
    switch_of_inverse,
)
from deepattn.ops.reference.tabulated import (
    tabulate_fusion_se_atten,
    tabulated_contraction,
    tabulated_embedding,
)
from deepattn.ops.reference.tabulated_potential import tabulated_potential

__all__ = [
    "NO_GRADIENT",
    "adam_step",
    "angle_sums",
    "embedded_contraction",
    "embedded_sums",
    "embedded_sums_backward",
    "embedded_sums_double_backward",
    "environment_rows",
    "gated_attention",
    "gated_attention_backward",
    "gated_attention_reverse",
    "gated_attention_tangent",
    "gelu",
    "gelu_grad",
    "gelu_grad_grad",
    "invariants",
    "moving_vectors",
    "neighbor_softmax",
    "neighbor_stat",
    "neighbor_sums",
    "neighbor_sums_backward",
    "neighbor_sums_double_backward",
    "normalize_rows",
    "pair_attention",
    "pair_attention_backward",
    "pair_attention_double_backward",
    "pair_attention_weights",
    "pair_derivative",
    "pair_embedding",
    "pair_embedding_backward",
    "pair_embedding_double_backward",
    "prod_env_mat_a",
    "prod_env_mat_a_mix",
    "prod_force_se_a",
    "prod_force_se_a_grad",
    "prod_virial_se_a",
    "prod_virial_se_a_grad",
    "quintic_switch",
    "residual_layer",
    "smooth_potential",
    "switch_of_distance",
    "switch_of_inverse",
    "tabulate_fusion_se_atten",
    "tabulated_contraction",
    "tabulated_embedding",
    "tabulated_potential",
    "unit_rows",
]
