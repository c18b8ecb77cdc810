"""Small graphs in memory for the tests of the reader."""

import json

import numpy as np

from deepattn.formats.messages import GraphDef, TensorProto

SCRIPT = {"model": {"type_map": ["O", "H"]}}


def constant(graph, name, value):
    """Add a Const node; text becomes a string scalar."""
    node = graph.node.add(name=name, op="Const")
    tensor = node.attr["value"].tensor
    if isinstance(value, str):
        tensor.dtype = node.attr["dtype"].type = 7
        tensor.string_val.append(value.encode())
        return
    array = np.asarray(value)
    numbers = {"f4": 1, "f8": 2, "i4": 3, "i8": 9, "b1": 10}
    tensor.dtype = node.attr["dtype"].type = numbers[array.dtype.str[1:]]
    for size in array.shape:
        tensor.tensor_shape.dim.add(size=size)
    tensor.tensor_content = array.tobytes()


def energy_model(**changes):
    """Give the attributes of a complete model with one weight; None leaves a constant out."""
    graph = GraphDef()
    graph.versions.producer = 1
    values = {
        "model_attr/model_version": "1.1",
        "model_attr/model_type": "ener",
        "model_attr/tmap": "O H",
        "model_type": "original_model",
        "descrpt_attr/rcut": np.float64(6.0),
        "descrpt_attr/ntypes": np.int32(2),
        "descrpt_attr/sel": np.array([40], np.int32),
        "fitting_attr/dfparam": np.int32(0),
        "fitting_attr/daparam": np.int32(0),
        "train_attr/training_script": json.dumps(SCRIPT),
        "train_attr/min_nbor_dist": np.float64(0.9),
        "layer_0/matrix": np.ones((3, 2)),
    } | changes
    for name, value in values.items():
        if value is not None:
            constant(graph, name, value)
    return graph


def tensor(dtype, shape=(), **fields):
    """Give a TensorProto with the values in the given fields."""
    proto = TensorProto(dtype=dtype, **fields)
    for size in shape:
        proto.tensor_shape.dim.add(size=size)
    return proto
