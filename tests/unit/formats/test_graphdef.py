import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deepattn.errors import ModelFileError
from deepattn.formats.allowed_ops import TENSORFLOW_OPS
from deepattn.formats.frozen import read_frozen
from deepattn.formats.graphdef import Graph, decode_tensor, parse_graph, read_graph
from deepattn.formats.messages import GraphDef

from .small_graphs import constant, energy_model, tensor


def test_reading_imports_no_tensorflow():
    code = "import sys, deepattn.formats.frozen; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_reading_changes_nothing(tmp_path):
    message = energy_model()
    message.node.add(name="sum", op="AddV2", input=["descrpt_attr/rcut", "descrpt_attr/rcut"])
    content = message.SerializeToString(deterministic=True)
    (tmp_path / "m.pb").write_bytes(content)
    read_frozen(tmp_path / "m.pb")
    graph = read_graph(tmp_path / "m.pb")
    assert graph.serialize() == content
    assert graph.with_constant("descrpt_attr/rcut", np.array(6.0)).nodes["sum"].attr == {}


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=dtype).reshape(2, 3)
        for dtype in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")
    ]
    + [np.array([True, False]), np.float64(2.5), np.zeros((0, 4)), np.full((50,), 7, "i4")],
    ids=lambda array: f"{array.dtype}{list(array.shape)}",
)
def test_tensors_as_tensorflow_writes_them(array):
    tf = pytest.importorskip("tensorflow")
    stored = tf.make_tensor_proto(array).SerializeToString()
    proto = tensor(1)
    proto.ParseFromString(stored)
    decoded = decode_tensor(proto)
    assert decoded.dtype == array.dtype
    np.testing.assert_array_equal(decoded, array)


def test_strings():
    proto = tensor(7, (3,), string_val=[b"a", b"b\xff"])
    assert decode_tensor(proto).tolist() == [b"a", b"b\xff", b"b\xff"]


@pytest.mark.parametrize(
    ("proto", "expected"),
    [
        (tensor(2, (4,), double_val=[1.0, 2.0]), np.array([1.0, 2.0, 2.0, 2.0])),
        (tensor(2, (2, 2)), np.zeros((2, 2))),
        (tensor(19, (3,), half_val=[0x3C00]), np.ones(3, np.float16)),
        (tensor(10, (2,), bool_val=[True]), np.array([True, True])),
    ],
)
def test_values_left_out_repeat_the_last(proto, expected):
    np.testing.assert_array_equal(decode_tensor(proto), expected)


@pytest.mark.parametrize(
    ("proto", "message"),
    [
        (tensor(20), "unsupported data type number 20"),
        (tensor(2, (-1,)), "no definite shape"),
        (tensor(2, (1 << 40, 1 << 40)), "invalid shape"),
        (tensor(2, (3,), tensor_content=b"1234"), r"does not fill its shape \[3\]"),
        (tensor(7, (1,), tensor_content=b"1"), r"does not fill its shape \[1\]"),
        (tensor(2, (1,), double_val=[1.0, 2.0]), r"more values than fit its shape \[1\]"),
    ],
)
def test_malformed_tensors(proto, message):
    with pytest.raises(ValueError, match=message):
        decode_tensor(proto)


def test_every_allowed_operation_is_pure():
    pytest.importorskip("tensorflow")
    from tensorflow.python.framework import op_def_registry

    definitions = {name: op_def_registry.get(name) for name in TENSORFLOW_OPS}
    assert [name for name, known in definitions.items() if known is None] == []
    assert [name for name, known in definitions.items() if known.is_stateful] == []


def test_a_graph_survives_a_round_trip(shared):
    for path in sorted((shared / "pretrained").glob("*.pb")):
        graph = read_graph(path)
        again = parse_graph(graph.serialize(), path)
        assert again.message == graph.message
        assert len(graph.constants()) == sum(n.op == "Const" for n in graph.nodes.values())


def test_unknown_fields_survive():
    message = energy_model()
    stored = message.SerializeToString() + b"\x2a\x03abc"  # field 5, debug_info
    assert b"\x2a\x03abc" in parse_graph(stored, "x").serialize()


def test_attr():
    message = energy_model()
    message.node.add(name="t_box", op="Placeholder")
    constant(message, "bad", "")
    message.node[-1].attr["value"].tensor.string_val[0] = b"\xff"
    graph = Graph(message, "m.pb")
    assert graph.attr("model_attr/tmap") == "O H"
    assert graph.attr("descrpt_attr/rcut") == 6.0
    assert graph.attr("descrpt_attr/sel").tolist() == [40]
    assert graph.attr("none", 3) == 3
    with pytest.raises(ModelFileError, match=r"m.pb: the node 'none' is missing"):
        graph.attr("none")
    with pytest.raises(ModelFileError, match="'t_box' is a Placeholder, not a constant"):
        graph.attr("t_box")
    with pytest.raises(ModelFileError, match="'bad' is not UTF-8 text"):
        graph.attr("bad")


def test_files_that_are_no_graph(tmp_path):
    path = tmp_path / "m.pb"
    with pytest.raises(ModelFileError, match=r"m.pb: there is no such file"):
        read_graph(path)
    with pytest.raises(ModelFileError, match="cannot be read: Is a directory"):
        read_graph(tmp_path)
    for content, message in [
        (b"", "the file is empty"),
        (b"hello, world", "is not a TensorFlow graph"),
        (b"\x22\x00", "it has no nodes"),
        (energy_model().SerializeToString()[:-5], "the graph is truncated"),
    ]:
        path.write_bytes(content)
        with pytest.raises(ModelFileError, match=f"m.pb: {message}|m.pb: .*{message}"):
            read_graph(path)


@pytest.mark.parametrize("op", ["ReadFile", "WriteFile", "PyFunc", "VariableV2", "While", "Recv"])
def test_forbidden_operations(op):
    message = energy_model()
    message.node.add(name="evil", op=op)
    with pytest.raises(ModelFileError, match=f"refused: node 'evil' is the operation '{op}'"):
        Graph(message, "m.pb")


def test_functions_are_refused():
    message = energy_model()
    message.library.function.append(b"")
    with pytest.raises(ModelFileError, match="refused: the graph contains functions"):
        Graph(message, "m.pb")


def test_incomplete_graphs():
    message = energy_model()
    message.node.add(name="out", op="Identity", input=["^gone"])
    with pytest.raises(ModelFileError, match=r"node 'out' needs '\^gone', which is missing"):
        Graph(message, "m.pb")
    message = energy_model()
    constant(message, "model_type", "x")
    with pytest.raises(ModelFileError, match="two nodes have the same name"):
        Graph(message, "m.pb")


def test_what_would_end_the_process():
    message = energy_model()
    message.node[0].attr["dtype"].type = 3
    with pytest.raises(ModelFileError, match="contains another data type than it declares"):
        Graph(message, "m.pb")
    message = energy_model()
    constant(message, "axes", np.zeros(32, np.int32))
    message.node.add(name="total", op="Sum", input=["layer_0/matrix", "axes"])
    with pytest.raises(ModelFileError, match="node 'total' has invalid axes"):
        Graph(message, "m.pb")


def with_mesh(*nodes, **constants):
    """A graph with an environment matrix, whose neighbor list is the node ``mesh``.

    Args:
        *nodes: Name, operation and inputs of further nodes.
        **constants: Further constants by name.
    """
    message = GraphDef()
    for name in ("t_coord", "t_type", "t_natoms", "t_box", "davg", "dstd", "t_mesh"):
        message.node.add(name=name, op="Placeholder")
    for name, value in constants.items():
        constant(message, name, value)
    for name, op, *inputs in nodes:
        message.node.add(name=name, op=op, input=inputs)
    inputs = ["t_coord", "t_type", "t_natoms", "t_box", "mesh", "davg", "dstd"]
    message.node.add(name="env", op="ProdEnvMatAMix", input=inputs)
    return message


ZEROS = np.zeros(16, np.int32)
ONE = np.eye(1, 16, 5, dtype=np.int32)[0]
JOINED = ("list", "ConcatV2", "head", "t_mesh", "axis")
OF_LIST = ("mesh", "Identity", "list")
AXIS = np.int32(0)


@pytest.mark.parametrize(
    "message",
    [
        with_mesh(OF_LIST, list=ZEROS),
        with_mesh(OF_LIST, list=np.zeros(20, np.int32)),
        with_mesh(OF_LIST, JOINED, head=ONE, axis=AXIS),
        with_mesh(OF_LIST, JOINED, head=ZEROS[1:], axis=AXIS),
        with_mesh(OF_LIST, JOINED, ("head", "Placeholder"), axis=AXIS),
        with_mesh(OF_LIST, JOINED, ("head", "Identity", "zeros"), zeros=ZEROS, axis=AXIS),
        with_mesh(OF_LIST, ("list", "ConcatV2", "t_mesh", "head", "axis"), head=ZEROS, axis=AXIS),
        with_mesh(OF_LIST, ("list", "AddV2", "t_mesh", "t_mesh")),
        with_mesh(OF_LIST, ("list", "Identity", "mesh")),
    ],
    ids=[
        "addresses",
        "a constant list",
        "a head that is not zero",
        "a short head",
        "a head that is given",
        "a head that is computed",
        "zeros at the end",
        "another operation",
        "a cycle",
    ],
)
def test_neighbor_lists_of_a_graph_are_refused(message):
    with pytest.raises(ModelFileError, match="neighbor list of node 'env' does not come from a"):
        Graph(message, "m.pb")


@pytest.mark.parametrize(
    "message",
    [
        with_mesh(("mesh", "Identity", "t_mesh")),
        with_mesh(OF_LIST, list=np.zeros(7, np.int32)),
        with_mesh(OF_LIST, JOINED, head=ZEROS, axis=AXIS),
    ],
    ids=["that is given", "a kind of boundaries", "behind zeros"],
)
def test_neighbor_lists_without_addresses_are_taken(message):
    assert "env" in Graph(message, "m.pb").nodes


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_damaged_files_never_crash(tmp_path, data):
    content = bytearray(energy_model().SerializeToString())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    for _ in range(data.draw(st.integers(0, 3))):
        if content:
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "m.pb"
    path.write_bytes(content)
    try:
        read_frozen(path)
    except ModelFileError as error:
        assert str(error).startswith(f"{path}: ")
