"""Inputs that are written for DeePMD-kit's PyTorch backend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deepattn.config.multitask import is_multitask
from deepattn.config.submodel import LINEAR, STANDARD


def as_pytorch(data: Mapping[str, Any]) -> dict[str, Any]:
    """An input whose model has the convention ``common`` where it names none.

    A multi-task input is returned as it is: it has that convention anyway.

    Args:
        data: A version 2 input, which may hold anything; it is not modified.
    """
    model = data.get("model")
    if is_multitask(data) or not isinstance(model, Mapping):
        return dict(data)
    return {**data, "model": _common(model)}


def _common(model: Mapping[str, Any]) -> dict[str, Any]:
    models = model.get("models")
    if model.get("type") == LINEAR and isinstance(models, list):
        return {**model, "models": [_common_if_trained(part) for part in models]}
    return {**model, "convention": model.get("convention") or "common"}


def _common_if_trained(part: Any) -> Any:
    trained = isinstance(part, Mapping) and part.get("type", STANDARD) == STANDARD
    return _common(part) if trained else part
