"""Inputs that are written for DeePMD-kit's PyTorch backend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deepattn.config.combination import combination_of
from deepattn.config.multitask import is_multitask


def as_pytorch(data: Mapping[str, Any]) -> dict[str, Any]:
    """An input whose model has the convention ``common`` where it names none.

    A multi-task input is returned as it is: it has that convention anyway.

    Args:
        data: A version 2 input, which may hold anything; it is not modified.

    Raises:
        ConfigError: The PyTorch backend has no models of that type.
    """
    model = data.get("model")
    if is_multitask(data) or not isinstance(model, Mapping):
        return dict(data)
    kind = combination_of(model)
    return {**data, "model": _common(model) if kind is None else kind.as_common(model, _common)}


def _common(model: Mapping[str, Any]) -> dict[str, Any]:
    return {**model, "convention": model.get("convention") or "common"}
