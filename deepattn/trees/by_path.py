"""Parts whose weights are named by their paths in the tree, those of DPA-2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from deepattn.trees.embedding import Arrays, Names
from deepattn.trees.nets import Layer, read_layer, write_layer
from deepattn.trees.node import Node

_LEAVES = {"matrix": "w", "bias": "b", "idt": "idt"}


def path_of(node: Node) -> str:
    """Prefix of the names of the weights below a node."""
    return node.path.removeprefix("model/")


def net_names(path: str) -> Names:
    """Names of the weights of the only net of a collection."""
    return lambda part, k: f"{path}/networks/0/layers/{k - 1}/{_LEAVES[part]}"


def read_linear(node: Node) -> Arrays:
    """A ``Layer`` without activation, residual connection and time step."""
    layer = read_layer(node)
    if layer.activation != "linear" or layer.copies or layer.idt is not None:
        node.fail(f"{node.path} is not a linear layer")
    path = path_of(node)
    arrays = {f"{path}/w": layer.matrix}
    return arrays if layer.bias is None else {**arrays, f"{path}/b": layer.bias}


def write_linear(arrays: Mapping[str, np.ndarray], path: str, *, trainable: bool) -> dict[str, Any]:
    """The weights below a path as such a ``Layer``."""
    bias = arrays.get(f"{path}/b")
    layer = Layer(arrays[f"{path}/w"], bias, None, "linear", trainable=trainable)
    return write_layer(layer, activation="none")
