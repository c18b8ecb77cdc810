"""Layers, nets and collections of nets in a tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from deepattn.trees.node import Node

_NETS = {"EmbeddingNetwork": ("embedding_network", 2), "FittingNetwork": ("fitting_network", 1)}
# That of TensorFlow differs from this in the last digits of its coefficient only.
_SAME_ACTIVATIONS = {"gelu_tf": "gelu", "none": "linear"}


@dataclass(frozen=True)
class Layer:
    """A dense layer: ``activation(x matrix + bias) idt``, plus copies of ``x`` if ``residual``.

    Attributes:
        matrix: ``[in, out]``.
        bias: ``[out]`` or None.
        idt: Time step ``[out]`` or None.
        activation: Its name, ``linear`` for none.
        residual: Whether ``x`` is added where ``out`` is ``in``, and twice where it is twice that.
        trainable: Whether it is trained.
    """

    matrix: np.ndarray
    bias: np.ndarray | None
    idt: np.ndarray | None
    activation: str
    residual: bool = False
    trainable: bool = True

    @property
    def copies(self) -> int:
        """How many copies of the input are added to the output."""
        rows, columns = self.matrix.shape
        return columns // rows if self.residual and columns in (rows, 2 * rows) else 0


def read_layer(node: Node) -> Layer:
    """A ``Layer`` of a tree."""
    node.version("Layer", 1, 2)
    matrix, bias, idt = node.arrays({"w": None, "b": None, "idt": None})
    if matrix is None or matrix.ndim != 2 or 0 in matrix.shape:
        node.fail(f"{node.path}/@variables/w is not a matrix")
    layer = Layer(
        matrix,
        None if bias is None else bias.ravel(),
        None if idt is None else idt.ravel(),
        activation_name(node.get("activation_function", (str, type(None)), None)),
        node.get("resnet", bool, False),
        node.get("trainable", bool, True),
    )
    node.ignore("bias", "use_timestep", "precision")
    node.finish()
    return layer


def write_layer(layer: Layer, *, activation: str | None = None) -> dict[str, Any]:
    """A layer as a ``Layer`` of a tree."""
    return {
        "@class": "Layer",
        "@version": 2,
        "bias": layer.bias is not None,
        "use_timestep": layer.idt is not None,
        "activation_function": activation or layer.activation,
        "resnet": layer.residual,
        "precision": layer.matrix.dtype.name,
        "trainable": layer.trainable,
        "@variables": {
            "w": layer.matrix,
            "b": layer.bias,
            "idt": None if layer.idt is None else layer.idt.ravel(),
        },
    }


def read_net(node: Node, kind: str) -> list[Layer]:
    """The layers of an ``EmbeddingNetwork`` or a ``FittingNetwork``, the output's included."""
    node.version(kind, 1, _NETS[kind][1])
    layers = [read_layer(child) for child in node.children("layers") if child is not None]
    if not layers:
        node.fail(f"{node.path} has no layers")
    for first, second in pairwise(layers):
        if first.matrix.shape[1] != second.matrix.shape[0]:
            node.fail(f"{node.path} has layers of inconsistent widths")
    node.ignore("in_dim", "out_dim", "neuron", "activation_function", "resnet_dt", "precision")
    node.ignore("bias", "bias_out")
    node.finish()
    return layers


def write_net(layers: Sequence[Layer], kind: str, *, resnet_dt: bool) -> dict[str, Any]:
    """Layers as an ``EmbeddingNetwork``, or a ``FittingNetwork``, whose last one is the output."""
    widths = [layer.matrix.shape[1] for layer in layers]
    shared = {
        "@class": kind,
        "@version": _NETS[kind][1],
        "in_dim": layers[0].matrix.shape[0],
        "neuron": widths,
        "activation_function": layers[0].activation,
        "resnet_dt": resnet_dt,
        "precision": layers[0].matrix.dtype.name,
    }
    if kind == "EmbeddingNetwork":
        written = [write_layer(layer) for layer in layers]
        return {**shared, "bias": layers[0].bias is not None, "layers": written}
    *hidden, output = layers
    return {
        **shared,
        "neuron": widths[:-1],
        "out_dim": widths[-1],
        "bias_out": output.bias is not None,
        "layers": [*map(write_layer, hidden), write_layer(output, activation="none")],
    }


def read_nets(node: Node, kind: str, *, ndim: int, ntypes: int) -> list[list[Layer] | None]:
    """The nets of a ``NetworkCollection``; that of types a, b, … is at ``a + ntypes b + …``."""
    node.version("NetworkCollection", 1)
    node.only("ndim", ndim, reason=f"the model has nets of {ndim} types here")
    node.only("ntypes", ntypes, reason=f"the model has {ntypes} types")
    node.only("network_type", _NETS[kind][0], reason=f"expected {kind} here")
    children = node.children("networks")
    node.finish()
    if len(children) != ntypes**ndim:
        node.fail(f"{node.path} has {len(children)} nets, expected {ntypes**ndim}")
    return [None if child is None else read_net(child, kind) for child in children]


def write_nets(
    nets: Sequence[dict[str, Any] | None], kind: str, *, ndim: int, ntypes: int
) -> dict[str, Any]:
    """Nets, in the order of `read_nets`, as a ``NetworkCollection``."""
    return {
        "@class": "NetworkCollection",
        "@version": 1,
        "ndim": ndim,
        "ntypes": ntypes,
        "network_type": _NETS[kind][0],
        "networks": list(nets),
    }


def activation_name(name: str | None) -> str:
    """An activation under the name that deepattn has for the function."""
    name = "none" if name is None else name.lower()
    return _SAME_ACTIVATIONS.get(name, name)


def one_of(node: Node, what: str, values: Sequence[Any]) -> Any:
    """The value that all layers of a part have.

    Raises:
        ModelFileError: They differ.
    """
    if any(value != values[0] for value in values):
        node.fail(f"{node.path} has layers that differ in {what}, which is not supported")
    return values[0]
