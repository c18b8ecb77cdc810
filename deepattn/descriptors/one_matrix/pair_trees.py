"""Embedding nets of pairs of types in the trees of ``.dp`` files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from deepattn.trees.embedding import (
    Arrays,
    Names,
    embedding_arrays,
    graph_names,
    write_embedding_of,
)
from deepattn.trees.nets import Layer, read_nets, write_nets
from deepattn.trees.node import Node

_KIND = "EmbeddingNetwork"


class PairSection(Protocol):
    """A section of a descriptor with such nets."""

    @property
    def neuron(self) -> tuple[int, ...]: ...

    @property
    def activation_function(self) -> str: ...

    @property
    def resnet_dt(self) -> bool: ...

    @property
    def trainable(self) -> bool: ...

    @property
    def type_one_side(self) -> bool: ...

    @property
    def exclude_types(self) -> tuple[tuple[int, int], ...]: ...


def read_pair_nets(
    node: Node, section: Mapping[str, Any], *, ntypes: int
) -> tuple[Arrays, dict[int, list[Layer]]]:
    """The weights of the nets, and by their places the nets of excluded pairs.

    Args:
        node: The descriptor, with ``embeddings``.
        section: Its section.
        ntypes: Number of types.

    Raises:
        ModelFileError: A net is missing or of another kind.
    """
    one_side = section["type_one_side"]
    nets = read_nets(node.child("embeddings"), _KIND, ndim=1 if one_side else 2, ntypes=ntypes)
    places = dict(_places(ntypes, one_side, section["exclude_types"]))
    arrays: Arrays = {}
    for index, names in places.items():
        layers = nets[index]
        if layers is None:
            node.fail(f"{node.path}/embeddings has no net {index}")
        arrays |= embedding_arrays(node, layers, names, activation=section["activation_function"])
    return arrays, {k: net for k, net in enumerate(nets) if k not in places and net is not None}


def write_pair_nets(
    section: PairSection, arrays: Mapping[str, np.ndarray], *, ntypes: int
) -> tuple[dict[str, Any], str]:
    """The collection of the nets, and their precision."""
    ndim = 1 if section.type_one_side else 2
    nets: list[dict[str, Any] | None] = [None] * ntypes**ndim
    places = list(_places(ntypes, section.type_one_side, section.exclude_types))

    for index, names in places:
        nets[index] = write_embedding_of(section, arrays, names)
    if places and None in nets:
        # Readers want a net for excluded pairs too, and never use it.
        zeros = {name: np.zeros_like(array) for name, array in arrays.items()}
        nets = [
            write_embedding_of(section, zeros, places[0][1]) if one is None else one for one in nets
        ]
    precision = next((one["precision"] for one in nets if one), "float64")
    return write_nets(nets, _KIND, ndim=ndim, ntypes=ntypes), precision


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
