"""Embedding nets and the type embedding: flat weights to layers of a tree, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from deepattn.config import TypeEmbeddingConfig
from deepattn.trees.nets import (
    Layer,
    activation_name,
    one_of,
    read_net,
    read_nets,
    write_net,
    write_nets,
)
from deepattn.trees.node import Node

Arrays = dict[str, np.ndarray]
# The name of a net's weight by ``matrix``, ``bias`` or ``idt`` and its layer, from 1.
Names = Callable[[str, int], str]
_KIND = "EmbeddingNetwork"
# Scope of the nets of all types of a descriptor; where each is in a tree, and how the names of its
# weights end.
SHARED = "filter_type_all"
_SHARED_NETS = {"embeddings": "", "embeddings_strip": "_two_side_ebd"}


class NetSection(Protocol):
    """The keys of a net in a section of a model."""

    @property
    def neuron(self) -> Sequence[int]:
        """Widths of its layers."""

    @property
    def activation_function(self) -> str:
        """Its activation."""

    @property
    def resnet_dt(self) -> bool:
        """Whether its layers have time steps."""

    @property
    def trainable(self) -> bool:
        """Whether it is trained."""


def graph_names(scope: str, suffix: str = "") -> Names:
    """Names as in a graph, ``scope/matrix_1suffix`` …"""
    return lambda part, k: f"{scope}/{part}_{k}{suffix}"


_TYPE_NET = graph_names("type_embed_net")


def embedding_arrays(
    node: Node, layers: Sequence[Layer], names: Names, *, activation: str
) -> Arrays:
    """The weights of an embedding net by name.

    Args:
        node: The net's, for messages.
        layers: Its layers.
        names: Names of the weights.
        activation: The activation declared by the part of the model.

    Raises:
        ModelFileError: Its layers are not as an embedding net's are.
    """
    if one_of(node, "activation_function", [layer.activation for layer in layers]) != activation:
        node.fail(f"{node.path} has nets whose activation_function differs from its own")
    arrays = {}
    for k, layer in enumerate(layers, start=1):
        rows, columns = layer.matrix.shape
        if columns in (rows, 2 * rows) and not layer.residual:
            node.fail(
                f"{node.path} has layers without residual connections, which is not supported"
            )
        arrays[names("matrix", k)] = layer.matrix
        if layer.bias is not None:
            arrays[names("bias", k)] = layer.bias
        if layer.idt is not None:
            arrays[names("idt", k)] = layer.idt[np.newaxis]
    return arrays


def write_embedding(
    arrays: Mapping[str, np.ndarray],
    names: Names,
    *,
    count: int,
    activation: str,
    resnet_dt: bool,
    trainable: bool,
) -> dict[str, Any]:
    """An ``EmbeddingNetwork`` of ``count`` layers from weights by name."""
    layers = [
        Layer(
            arrays[names("matrix", k)],
            arrays.get(names("bias", k)),
            arrays.get(names("idt", k)),
            activation,
            residual=True,
            trainable=trainable,
        )
        for k in range(1, count + 1)
    ]
    return write_net(layers, _KIND, resnet_dt=resnet_dt)


def write_embedding_of(
    section: NetSection, arrays: Mapping[str, np.ndarray], names: Names
) -> dict[str, Any]:
    """The ``EmbeddingNetwork`` of a section, from weights by name."""
    return write_embedding(
        arrays,
        names,
        count=len(section.neuron),
        activation=section.activation_function,
        resnet_dt=section.resnet_dt,
        trainable=section.trainable,
    )


def read_shared_nets(node: Node, section: Mapping[str, Any], *, strip: bool, ntypes: int) -> Arrays:
    """Weights of the net of all types of a descriptor and, in strip mode, of the types' own net.

    Args:
        node: The descriptor.
        section: Its keys.
        strip: Whether types have a net of their own.
        ntypes: Number of types.
    """
    arrays: Arrays = {}
    for key, suffix in _SHARED_NETS.items():
        if key == "embeddings" or strip:
            [layers] = read_nets(node.child(key), _KIND, ndim=0, ntypes=ntypes)
            if layers is None:
                node.fail(f"{node.path}/{key} has no net")
            names, activation = graph_names(SHARED, suffix), section["activation_function"]
            arrays |= embedding_arrays(node, layers, names, activation=activation)
    return arrays


def write_shared_nets(
    section: NetSection, arrays: Mapping[str, np.ndarray], *, ntypes: int
) -> dict[str, Any]:
    """The nets that `read_shared_nets` reads, by key."""
    return {
        key: write_nets(
            [write_embedding_of(section, arrays, graph_names(SHARED, suffix))],
            _KIND,
            ndim=0,
            ntypes=ntypes,
        )
        for key, suffix in _SHARED_NETS.items()
        if f"{SHARED}/matrix_1{suffix}" in arrays
    }


def read_type_embedding(node: Node, type_map: Sequence[str]) -> tuple[dict[str, Any], Arrays]:
    """A ``TypeEmbedNet``: the section ``type_embedding`` and the weights."""
    node.version("TypeEmbedNet", 1, 2)
    section = {
        "neuron": node.get("neuron", list),
        "activation_function": activation_name(node.get("activation_function", str, "tanh")),
        "resnet_dt": node.get("resnet_dt", bool, False),
        "precision": node.get("precision", str, "default"),
        "trainable": node.get("trainable", bool, True),
        "use_econf_tebd": node.get("use_econf_tebd", bool, False),
        # Version 1 always had the bias.
        "use_tebd_bias": node.get("use_tebd_bias", bool, True),
    }
    node.computes_in(section["precision"])
    node.only("ntypes", len(type_map), reason=f"the model has {len(type_map)} types")
    node.only("type_map", list(type_map), reason="it is not the model's")
    node.only("padding", True, reason="the embedding must have a row for missing neighbors")
    layers = read_net(node.child("embedding"), _KIND)
    node.finish()
    activation = section["activation_function"]
    return section, embedding_arrays(node, layers, _TYPE_NET, activation=activation)


def write_type_embedding(
    section: TypeEmbeddingConfig, type_map: Sequence[str], arrays: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """The section and the weights as a ``TypeEmbedNet``."""
    net = write_embedding_of(section, arrays, _TYPE_NET)
    return {
        "@class": "TypeEmbedNet",
        "@version": 2,
        "ntypes": len(type_map),
        "neuron": list(section.neuron),
        "resnet_dt": section.resnet_dt,
        "precision": net["precision"],
        "activation_function": section.activation_function,
        "trainable": section.trainable,
        "padding": True,
        "use_econf_tebd": section.use_econf_tebd,
        "use_tebd_bias": section.use_tebd_bias,
        "type_map": list(type_map),
        "embedding": net,
    }
