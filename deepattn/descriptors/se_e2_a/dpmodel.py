"""The descriptor ``se_e2_a`` in a tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from deepattn.config import ModelConfig
from deepattn.descriptors.se_e2_a.config import SeE2AConfig
from deepattn.trees.embedding import (
    Arrays,
    Names,
    embedding_arrays,
    graph_names,
    write_embedding,
)
from deepattn.trees.environment import read_environment, write_environment
from deepattn.trees.nets import Layer, read_nets, write_nets
from deepattn.trees.node import Node
from deepattn.trees.part import DescriptorFormat

_KIND = "EmbeddingNetwork"


def read_se_e2_a(node: Node, type_map: Sequence[str]) -> tuple[dict[str, Any], Arrays]:
    """A descriptor as the model section ``descriptor``, and its weights."""
    node.version("Descriptor", 1, 2, 3)
    ntypes = len(type_map)
    section, arrays = read_environment(node, type_map)
    node.only("ntypes", ntypes, reason=f"the model has {ntypes} types")
    node.ignore("type")
    one_side = section["type_one_side"]
    nets = read_nets(node.child("embeddings"), _KIND, ndim=1 if one_side else 2, ntypes=ntypes)
    node.finish()
    activation = section["activation_function"]
    places = dict(_places(ntypes, one_side, section["exclude_types"]))
    if np.any(arrays["descrpt_attr/t_avg"]):
        for index, layers in enumerate(nets):
            if index not in places and layers is not None and not _is_nothing(layers):
                node.fail(
                    f"{node.path}/embeddings/networks/{index} is the net of a pair of "
                    "exclude_types, which DeePMD-kit counts for missing neighbors as davg is not "
                    "zero; set its weights to zero"
                )
    for index, names in places.items():
        layers = nets[index]
        if layers is None:
            node.fail(f"{node.path}/embeddings has no net {index}")
        arrays |= embedding_arrays(node, layers, names, activation=activation)
    return {"descriptor": {**section, "type": "se_e2_a"}}, arrays


def write_se_e2_a(
    section: SeE2AConfig, config: ModelConfig, arrays: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """Section and weights as a descriptor."""
    ntypes = len(config.type_map)
    ndim = 1 if section.type_one_side else 2
    nets: list[dict[str, Any] | None] = [None] * ntypes**ndim
    places = list(_places(ntypes, section.type_one_side, section.exclude_types))

    def net(names: Names, weights: Mapping[str, np.ndarray]) -> dict[str, Any]:
        return write_embedding(
            weights,
            names,
            count=len(section.neuron),
            activation=section.activation_function,
            resnet_dt=section.resnet_dt,
            trainable=section.trainable,
        )

    for index, names in places:
        nets[index] = net(names, arrays)
    if places and None in nets:
        # Readers want a net for excluded pairs too, and never use it.
        zeros = {name: np.zeros_like(array) for name, array in arrays.items()}
        nets = [net(places[0][1], zeros) if one is None else one for one in nets]
    precision = next((one["precision"] for one in nets if one), "float64")
    return {
        "@class": "Descriptor",
        "type": "se_e2_a",
        "@version": 2,
        **write_environment(section, config.type_map, arrays, precision),
        "embeddings": write_nets(nets, _KIND, ndim=ndim, ntypes=ntypes),
    }


def _is_nothing(layers: Sequence[Layer]) -> bool:
    """Whether the output of a net is always zero."""
    return all(
        not np.any(layer.matrix)
        and (layer.bias is None or not np.any(layer.bias))
        and not layer.copies * (k == 0)
        and layer.activation not in ("sigmoid", "softplus")
        for k, layer in enumerate(layers)
    )


def _places(
    ntypes: int, one_side: bool, exclude_types: Sequence[Sequence[int]]
) -> Iterator[tuple[int, Names]]:
    """Place of every net in a collection, and the names of its weights."""
    if one_side:
        yield from ((t, graph_names("filter_type_all", f"_{t}")) for t in range(ntypes))
        return
    excluded = {frozenset(pair) for pair in exclude_types}
    for neighbor in range(ntypes):
        for center in range(ntypes):
            if frozenset((center, neighbor)) not in excluded:
                names = graph_names(f"filter_type_{center}", f"_{neighbor}")
                yield center + ntypes * neighbor, names


FORMAT = DescriptorFormat(("se_e2_a",), read_se_e2_a, write_se_e2_a)
