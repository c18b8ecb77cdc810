"""The models of a multi-task training, which share layers."""

from __future__ import annotations

import deepattn.keras_backend  # noqa: F401

# isort: split
from collections.abc import Mapping

import keras
import numpy as np

from deepattn.config import BranchConfig, MultiTaskConfig
from deepattn.errors import ConfigError
from deepattn.formats.weight_names import CASE
from deepattn.layers import Fitting
from deepattn.models.atomic_model import AtomicModel
from deepattn.models.build import SharedLayers, build_model


def build_models(
    config: MultiTaskConfig, *, interface_dtype: str = "float64"
) -> dict[str, AtomicModel]:
    """Build the model of each branch, in the order of the input.

    Models that share a descriptor at level 0 have the layer itself in common and with it its
    statistics; at level 1 the type embedding alone. Those that share a fitting net have its weights
    and parameter statistics in common, but biases and case vectors of their own; a case vector
    is zero but for a 1 at the place of the branch in alphabetical order.

    Args:
        config: The configuration; ``sel`` must be a number, not ``auto``.
        interface_dtype: Precision of coordinates, forces and statistics.

    Raises:
        ConfigError: Branches share a fitting net whose input is of another width.
    """
    made: dict[tuple[str, str], keras.layers.Layer] = {}
    models = {}
    # Those that share everything first: the others take from them.
    for name in sorted(config.branches, key=lambda name: _level(config.branches[name])):
        branch = config.branches[name]
        shared = _shared(branch, made)
        model = build_model(branch.config.model, interface_dtype=interface_dtype, shared=shared)
        _check_width(name, branch, shared.fitting, model.fitting)
        _note(branch, model, made)
        models[name] = model
    for place, name in enumerate(sorted(models)):
        variable = models[name].named_variables().get(CASE)
        if variable is not None:
            variable.assign(np.eye(len(models))[place])
    return {name: models[name] for name in config.branches}


def unique_variables(models: Mapping[str, AtomicModel]) -> dict[str, keras.Variable]:
    """Every variable once, as ``<branch>/<weight>`` by the first branch that has it."""
    names: dict[int, tuple[str, keras.Variable]] = {}
    for prefix, model in models.items():
        for name, variable in model.named_variables().items():
            names.setdefault(id(variable), (f"{prefix}{name}", variable))
    return dict(names.values())


def _level(branch: BranchConfig) -> int:
    return branch.links["descriptor"].level if "descriptor" in branch.links else 0


def _shared(
    branch: BranchConfig, made: Mapping[tuple[str, str], keras.layers.Layer]
) -> SharedLayers:
    found = {}
    for part, link in branch.links.items():
        if part == "descriptor":
            found["type_embedding"] = made.get(("type_embedding", link.key))
            found["descriptor"] = None if link.level else made.get((part, link.key))
        elif part == "fitting_net":
            found["fitting"] = made.get((part, link.key))
    return SharedLayers(**found)


def _note(branch: BranchConfig, model: AtomicModel, made: dict) -> None:
    layers = {"descriptor": model.descriptor, "fitting_net": model.fitting}
    for part, layer in layers.items():
        if part in branch.links:
            made.setdefault((part, branch.links[part].key), layer)
    if "descriptor" in branch.links and model.type_embedding is not None:
        made.setdefault(("type_embedding", branch.links["descriptor"].key), model.type_embedding)


def _check_width(name: str, branch: BranchConfig, base: Fitting | None, fitting: Fitting) -> None:
    if base is not None and base.input_width != fitting.input_width:
        raise ConfigError(
            f"model/shared_dict/{branch.links['fitting_net'].key} has descriptors of width "
            f"{base.input_width}, but that of branch {name} has width {fitting.input_width}; "
            "share the descriptor too."
        )
