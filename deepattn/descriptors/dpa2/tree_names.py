"""Names of weights as paths in the tree of a ``.dp`` file, ``@variables`` left out."""

from __future__ import annotations

from collections.abc import Mapping

import keras

from deepattn.layers.embedding_net import EmbeddingNet
from deepattn.layers.residual_dense import ResidualDense


def under(path: str, variables: Mapping[str, keras.Variable]) -> dict[str, keras.Variable]:
    """The same variables with ``path/`` before their names."""
    return {f"{path}/{name}": variable for name, variable in variables.items()}


def dense_variables(layer: ResidualDense) -> dict[str, keras.Variable]:
    """``w``, and ``b`` and ``idt`` where they exist."""
    names = {"matrix": "w", "bias": "b", "idt": "idt"}
    return {names[name]: variable for name, variable in layer.named_variables().items()}


def network_variables(path: str, net: EmbeddingNet) -> dict[str, keras.Variable]:
    """Weights of the only net of a collection, ``path/networks/0/layers/0/w`` …"""
    variables = {}
    for k, layer in enumerate(net.hidden):
        variables.update(under(f"{path}/networks/0/layers/{k}", dense_variables(layer)))
    return variables
