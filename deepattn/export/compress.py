"""Compression: a model with tables instead of its embedding nets."""

from __future__ import annotations

from deepattn.errors import ConfigError
from deepattn.models.atomic_model import AtomicModel
from deepattn.models.energy_model import EnergyModel
from deepattn.models.spin_model import SpinModel


def compress(
    model: AtomicModel,
    *,
    min_nbor_dist: float,
    step: float = 0.01,
    extrapolate: float = 5.0,
    fast: bool = False,
) -> EnergyModel:
    """The same potential with tables instead of embedding nets.

    Reference: D. Lu et al., J. Chem. Theory Comput. 18, 5559 (2022), arXiv:2107.02103.

    Args:
        model: a model whose descriptor can be compressed; fitting and type embedding are shared.
        min_nbor_dist: shortest distance that is expected, Å; nearer pairs have wider intervals.
        step: width of the intervals of a table, in units of the normalized inverse distance.
        extrapolate: how many times the largest expected number the tables reach.
        fast: whether the graph may have operations of deepattn's own. Attention and concat mode
            need them.

    Returns:
        A model that can be frozen; its tables are not trained.

    Raises:
        ConfigError: a model that cannot be compressed, or not into a portable graph; a distance
            that is none; tables that would not fit a file.
    """
    if not isinstance(model, EnergyModel):
        raise ConfigError(
            f"models with the fitting {type(model.fitting).__name__} cannot be compressed; use "
            "the model as it is."
        )
    if isinstance(model, SpinModel) or model.of_residues:
        raise ConfigError(f"models {model.special} cannot be compressed; use the model as it is.")
    if model.descriptor.protection:
        raise ConfigError(
            "models with protected distances (env_protection) cannot be compressed; use the model "
            "as it is."
        )
    descriptor = model.descriptor.compress(
        model.type_vectors(),
        min_nbor_dist=min_nbor_dist,
        step=step,
        extrapolate=extrapolate,
        fast=fast,
    )
    return type(model)(descriptor, model.fitting, model.type_embedding, **model.options())
