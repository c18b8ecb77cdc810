"""Neighbours, environment matrix, force and virial as TensorFlow ops with gradients."""

from deepattn.ops.functions import (
    EnvMat,
    EnvMatA,
    gelu,
    neighbor_stat,
    prod_env_mat_a,
    prod_env_mat_a_mix,
    prod_force_se_a,
    prod_virial_se_a,
)
from deepattn.ops.loader import library

__all__ = [
    "EnvMat",
    "EnvMatA",
    "gelu",
    "library",
    "neighbor_stat",
    "prod_env_mat_a",
    "prod_env_mat_a_mix",
    "prod_force_se_a",
    "prod_virial_se_a",
]
