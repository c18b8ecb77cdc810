"""Embedding nets and the type embedding: flat weights to layers of a tree, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from deepattn.config import TypeEmbeddingConfig
from deepattn.trees.nets import Layer, activation_name, one_of, read_net, write_net
from deepattn.trees.node import Node

Arrays = dict[str, np.ndarray]
# The name of a net's weight by ``matrix``, ``bias`` or ``idt`` and its layer, from 1.
Names = Callable[[str, int], str]
_KIND = "EmbeddingNetwork"


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
    net = write_embedding(
        arrays,
        _TYPE_NET,
        count=len(section.neuron),
        activation=section.activation_function,
        resnet_dt=section.resnet_dt,
        trainable=section.trainable,
    )
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
