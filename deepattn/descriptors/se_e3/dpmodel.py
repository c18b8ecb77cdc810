"""The descriptor ``se_e3`` in a tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from deepattn.config import ModelConfig
from deepattn.descriptors.se_e3.config import SeE3Config
from deepattn.trees.embedding import (
    Arrays,
    Names,
    embedding_arrays,
    graph_names,
    write_embedding_of,
)
from deepattn.trees.environment import read_environment, write_environment
from deepattn.trees.nets import read_nets, write_nets
from deepattn.trees.node import Node
from deepattn.trees.part import DescriptorFormat

_KIND = "EmbeddingNetwork"


def read_se_e3(node: Node, type_map: Sequence[str]) -> tuple[dict[str, Any], Arrays]:
    """A descriptor as the model section ``descriptor``, and its weights."""
    node.version("Descriptor", 1, 2, 3)
    ntypes = len(type_map)
    section, arrays = read_environment(node, type_map, keys=())
    node.only("ntypes", ntypes, reason=f"the model has {ntypes} types")
    node.ignore("type")
    nets = read_nets(node.child("embeddings"), _KIND, ndim=2, ntypes=ntypes)
    node.finish()
    for index, names in _places(ntypes):
        layers = nets[index]
        if layers is None:
            node.fail(f"{node.path}/embeddings has no net {index}")
        activation = section["activation_function"]
        arrays |= embedding_arrays(node, layers, names, activation=activation)
    return {"descriptor": {**section, "type": "se_e3"}}, arrays


def write_se_e3(
    section: SeE3Config, config: ModelConfig, arrays: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """Section and weights as a descriptor."""
    ntypes = len(config.type_map)
    places = dict(_places(ntypes))

    # Of each pair of types one net is used, and readers want both.
    zeros = {name: np.zeros_like(array) for name, array in arrays.items()}
    nets = [
        write_embedding_of(section, arrays, places[k])
        if k in places
        else write_embedding_of(section, zeros, places[0])
        for k in range(ntypes**2)
    ]
    precision = nets[0]["precision"]
    return {
        "@class": "Descriptor",
        "type": "se_e3",
        "@version": 2,
        **write_environment(section, config.type_map, arrays, precision, keys=()),
        "embeddings": write_nets(nets, _KIND, ndim=2, ntypes=ntypes),
    }


def _places(ntypes: int) -> Iterator[tuple[int, Names]]:
    """Place of every net that is used in the collection, and the names of its weights."""
    for second in range(ntypes):
        for first in range(second + 1):
            yield first + ntypes * second, graph_names("filter_type_all", f"_{first}_{second}")


FORMAT = DescriptorFormat(("se_e3",), read_se_e3, write_se_e3)
