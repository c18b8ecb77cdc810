"""Distances of descriptors from the operation of a compressed graph, which keeps no descriptors."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from deepattn.uncertainty import Distance

_OPERATION = "DeepattnTabulatedPotential"
# A name that no node of a file has.
DISTANCE = "deepattn/distance"
_INPUTS = ("deepattn/basis", "deepattn/origin", "deepattn/root")


def add_distances(graph_def: tf.compat.v1.GraphDef) -> int:
    """Let the operation compute distances, which it can while it has the descriptors.

    The graph gets the output `DISTANCE` and the inputs of `distance_feeds`. Who does not fetch
    the distances pays nothing.

    Args:
        graph_def: A graph that is about to be imported; it is changed.

    Returns:
        Width of the descriptors; 0 if the graph does not have the operation.
    """
    nodes = [node for node in graph_def.node if node.op == _OPERATION]
    if len(nodes) != 1:
        return 0
    [node] = nodes
    width, dtype = node.attr["width"].i * node.attr["axis"].i, node.attr["T"].type
    # Control inputs come last.
    data = [name for name in node.input if not name.startswith("^")]
    rest = node.input[len(data) :]
    del node.input[:]
    node.input.extend([*data, *_INPUTS, *rest])
    node.attr["nbases"].i = 1
    for name, shape in zip(_INPUTS, [(width, None), (None,) * 2, (None,) * 3], strict=True):
        fed = graph_def.node.add(name=name, op="Placeholder")
        fed.attr["dtype"].type = dtype
        fed.attr["shape"].shape.CopyFrom(tf.TensorShape(shape).as_proto())
    given = graph_def.node.add(name=DISTANCE, op="Identity", input=[f"{node.name}:4"])
    given.attr["T"].type = node.attr["F"].type
    return width


def distance_feeds(distance: Distance | None, width: int, ntypes: int) -> dict[str, np.ndarray]:
    """Values of the inputs that `add_distances` has added.

    Args:
        distance: The distance; None if none is fetched.
        width: As from `add_distances`.
        ntypes: Number of types.
    """
    arrays = (np.zeros((width, 0)), np.zeros((ntypes, 0)), np.zeros((ntypes, 0, 0)))
    if distance is not None:
        arrays = (distance.basis, distance.center, distance.root)
    return dict(zip(_INPUTS, arrays, strict=True))
