"""Layer normalizations in a tree."""

from __future__ import annotations

from typing import Any

import numpy as np

from deepattn.trees.node import Node


def read_norm(node: Node) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Scale and shift of a ``LayerNorm``, and its ``ln_eps`` and ``trainable_ln``."""
    node.version("LayerNorm", 1)
    scale, shift = node.arrays({"w": None, "b": None})
    if scale is None or shift is None:
        node.fail(f"{node.path}/@variables lacks w or b")
    options = {
        "ln_eps": node.get("eps", float),
        "trainable_ln": node.get("trainable", bool, True),
    }
    node.ignore("precision")
    node.finish()
    return scale, shift, options


def write_norm(
    scale: np.ndarray, shift: np.ndarray, *, ln_eps: float, trainable_ln: bool
) -> dict[str, Any]:
    """A ``LayerNorm``."""
    return {
        "@class": "LayerNorm",
        "@version": 1,
        "eps": ln_eps,
        "trainable": trainable_ln,
        "precision": scale.dtype.name,
        "@variables": {"w": scale, "b": shift},
    }
