"""Combinations of models that are all frozen: nothing is trained, but a model is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from deepattn.config import ModelConfig, read_input
from deepattn.config.submodel import FROZEN, STANDARD
from deepattn.errors import ConfigError
from deepattn.models import build_model
from deepattn.train.precision import interface_dtype
from deepattn.train.weight_source import WeightSource, from_frozen


def combine_frozen(data: Mapping[str, Any]) -> tuple[WeightSource, dict[str, Any]]:
    """The start and the input of a training of no steps that makes such a combination.

    The first frozen model takes the place of the one that is trained, with its weights.

    Args:
        data: A version 2 input for which `is_all_frozen` holds.

    Raises:
        ConfigError: There are steps to make.
        ModelFileError: The first model cannot be rebuilt.
    """
    training = data.get("training")
    steps = training.get("numb_steps") if isinstance(training, Mapping) else None
    if steps != 0:
        raise ConfigError(
            "model/models has frozen models only, so there is nothing to train; set "
            "training/numb_steps to 0 to combine them, or add a model of type standard."
        )
    model = data["model"]
    place = [part.get("type") for part in model["models"]].index(FROZEN)
    start = from_frozen(str(model["models"][place].get("model_file")))
    if start.model is None:
        raise TypeError("a frozen model has no configuration")
    section = start.model.to_dict()
    for part in ("descriptor", "fitting_net", "type_embedding"):
        if section.get(part) is not None:
            section[part] = {**section[part], "trainable": False}
    models = [
        {"type": STANDARD, **section} if k == place else part
        for k, part in enumerate(model["models"])
    ]
    names = model.get("type_map") or section.get("type_map")
    combined = {**data, "model": {**model, "models": models, "type_map": names}}
    config: ModelConfig = read_input(combined).tasks[""].model
    built = build_model(config, interface_dtype=interface_dtype())
    weights = {**built.get_arrays(), **start.weights}
    return replace(start, model=config, weights=weights), combined
