"""A frozen TensorFlow graph as data: read, checked and decoded without importing TensorFlow."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from deepattn import limits
from deepattn.errors import ModelFileError
from deepattn.formats.allowed_ops import ALLOWED_OPS, REBUILT_OPS, RENAMED_OPS
from deepattn.formats.graph_bounds import check_bounds
from deepattn.formats.mesh import MESH_HEAD
from deepattn.formats.messages import GraphDef, NodeDef, TensorProto, attribute

# DataType number -> (numpy dtype, field that holds the values when tensor_content is empty)
_DTYPES: dict[int, tuple[type[np.generic], str]] = {
    1: (np.float32, "float_val"),
    2: (np.float64, "double_val"),
    3: (np.int32, "int_val"),
    4: (np.uint8, "int_val"),
    5: (np.int16, "int_val"),
    6: (np.int8, "int_val"),
    7: (np.object_, "string_val"),
    9: (np.int64, "int64_val"),
    10: (np.bool_, "bool_val"),
    17: (np.uint16, "int_val"),
    19: (np.float16, "half_val"),
    22: (np.uint32, "uint32_val"),
    23: (np.uint64, "uint64_val"),
}
_NEIGHBOR_OPS = ("ProdEnvMatA", "ProdEnvMatAMix", "ProdEnvMatR")
# What else their neighbor lists may come from; graphs with the second are not run.
_MESHES = ("Placeholder", "ConvertForwardMap")


class Graph:
    """The nodes of a frozen graph, checked to be complete and made of allowed operations only.

    Args:
        message: The parsed ``GraphDef``.
        origin: Where it comes from, the first words of every error message.

    Raises:
        ModelFileError: If the graph has functions, a forbidden operation, a name twice, an input
            that does not exist, or a malformed constant.
    """

    def __init__(self, message: GraphDef, origin: str | os.PathLike):
        self.message = message
        self.origin = str(origin)
        self.nodes: dict[str, NodeDef] = {node.name: node for node in message.node}
        self._check()
        self._check_repetition()
        self._constants = {
            name: self._decode(node) for name, node in self.nodes.items() if node.op == "Const"
        }
        if self.is_only_rebuilt:
            return
        try:
            check_bounds(self.nodes, self._constants)
        except ValueError as error:
            raise ModelFileError(f"{self.origin}: refused: {error}") from None

    @property
    def is_only_rebuilt(self) -> bool:
        """Whether the graph is never run, but its model rebuilt from the weights."""
        return any(node.op in REBUILT_OPS for node in self.nodes.values())

    def constants(self) -> dict[str, np.ndarray]:
        """Give every constant: numbers as arrays, strings as object arrays of ``bytes``."""
        return dict(self._constants)

    def attr(self, name: str, default: Any = None) -> Any:
        """Give the value of a constant: a plain ``str``, number or ``bool`` if it is a scalar.

        Args:
            name: Name of the node, such as ``descrpt_attr/rcut``.
            default: Value of a constant that is absent.

        Raises:
            ModelFileError: If it is absent and there is no default, is not a constant, or is not
                text in UTF-8.
        """
        node = self.nodes.get(name)
        if node is None:
            if default is None:
                raise ModelFileError(
                    f"{self.origin}: the node '{name}' is missing; the file is not a complete "
                    "energy model of DeePMD-kit"
                )
            return default
        if node.op != "Const":
            raise ModelFileError(f"{self.origin}: the node '{name}' is a {node.op}, not a constant")
        array = self._constants[name]
        if array.ndim:
            return array
        value = array.item()
        if not isinstance(value, bytes):
            return value
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise ModelFileError(f"{self.origin}: the node '{name}' is not UTF-8 text") from None

    def consumers(self, name: str) -> list[str]:
        """Give the names of the nodes that take an output of the node ``name``."""
        nodes = self.nodes.items()
        return [other for other, node in nodes if name in map(_source, node.input)]

    def with_constant(self, name: str, values: np.ndarray) -> "Graph":
        """Give the graph with other values in a constant, in the type that it has.

        Args:
            name: Name of the constant.
            values: Numbers of its shape.
        """
        present = self._constants[name]
        if values.shape != present.shape:
            raise ValueError(f"{name} has the shape {present.shape}, not {values.shape}")
        message = GraphDef()
        message.CopyFrom(self.message)
        node = next(node for node in message.node if node.name == name)
        tensor = node.attr["value"].tensor
        _, field = _DTYPES[tensor.dtype]
        tensor.ClearField(field)
        little_endian = present.dtype.newbyteorder("<")
        tensor.tensor_content = values.astype(little_endian).tobytes()
        return Graph(message, self.origin)

    def serialize(self) -> bytes:
        """Give the graph as the bytes of a ``.pb`` file."""
        return self.message.SerializeToString(deterministic=True)

    @staticmethod
    def _size_of(node: NodeDef) -> int:
        """Number of elements that a constant declares."""
        shape = attribute(node, "value").tensor.tensor_shape
        return math.prod(max(dim.size, 0) for dim in shape.dim)

    def _decode(self, node: NodeDef) -> np.ndarray:
        tensor = attribute(node, "value").tensor
        try:
            if attribute(node, "dtype").type != tensor.dtype:
                raise ValueError("contains another data type than it declares")
            return decode_tensor(tensor)
        except ValueError as error:
            raise ModelFileError(f"{self.origin}: the constant '{node.name}' {error}") from None

    def _check(self) -> None:
        library = self.message.library
        if library.function or library.gradient:
            raise ModelFileError(
                f"{self.origin}: refused: the graph contains functions, which a frozen "
                "energy model of DeePMD-kit never has"
            )
        if len(self.nodes) != len(self.message.node):
            raise ModelFileError(
                f"{self.origin}: the graph is damaged: two nodes have the same name"
            )
        for name, node in self.nodes.items():
            if node.op in RENAMED_OPS:
                raise ModelFileError(
                    f"{self.origin}: is a graph of an older DeePMD-kit; convert it with 'deepattn "
                    "convert-from'"
                )
            if node.op not in ALLOWED_OPS:
                raise ModelFileError(
                    f"{self.origin}: refused: node '{name}' is the operation '{node.op}', "
                    "which energy models do not use"
                )
            for entry in node.input:
                if _source(entry) not in self.nodes:
                    raise ModelFileError(
                        f"{self.origin}: the graph is incomplete: node '{name}' needs "
                        f"'{entry}', which is missing; the file may be truncated"
                    )
            if node.op in _NEIGHBOR_OPS:
                self._check_mesh(node)

    def _check_mesh(self, node: NodeDef) -> None:
        # A mesh of 16 integers is read as addresses in memory: only the caller may supply it, or a
        # graph one that begins with zeros.
        source = self.nodes[_source(node.input[4])] if len(node.input) == 7 else None
        # In a graph with a cycle the way may have no end.
        for _ in self.nodes:
            if source is None or source.op != "Identity" or len(source.input) != 1:
                break
            source = self.nodes.get(_source(source.input[0]))
        if source is None or not (source.op in _MESHES or self._has_no_addresses(source)):
            raise ModelFileError(
                f"{self.origin}: refused: the neighbor list of node '{node.name}' does not come "
                "from a placeholder, or from a list behind 16 zeros"
            )

    def _has_no_addresses(self, mesh: NodeDef) -> bool:
        """Whether a mesh of the graph's own is a list behind a head of zeros, or too short."""
        if mesh.op == "Const":
            return self._size_of(mesh) < MESH_HEAD
        if mesh.op != "ConcatV2" or len(mesh.input) < 2:
            return False
        head = self.nodes.get(_source(mesh.input[0]))
        if head is None or head.op != "Const" or self._size_of(head) != MESH_HEAD:
            return False
        return not self._decode(head).any()

    def _check_repetition(self) -> None:
        """Refuse constants that a few bytes blow up, before one is decoded."""
        repeated = 0
        for node in self.nodes.values():
            tensor = attribute(node, "value").tensor
            if node.op == "Const" and not tensor.tensor_content:
                repeated += self._size_of(node) * 8
        if repeated > limits.REPEATED_BYTES + self.message.ByteSize():
            raise ModelFileError(
                f"{self.origin}: refused: its constants repeat single values up to "
                f"{repeated >> 20} MB, which models never need"
            )


def read_graph(path: str | os.PathLike) -> Graph:
    """Read and check a frozen graph.

    Args:
        path: The ``.pb`` file.

    Raises:
        ModelFileError: If the file is missing, unreadable, not a graph, cut short, or not safe.
    """
    return Graph(read_message(path), path)


def read_message(path: str | os.PathLike) -> GraphDef:
    """Read a graph as it is, without checking that it is complete and safe.

    Args:
        path: The ``.pb`` file.

    Raises:
        ModelFileError: If the file is missing, unreadable, not a graph, or cut short.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ModelFileError(f"{path}: there is no such file") from None
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror}") from None
    return _parse(content, path)


def parse_graph(content: bytes, origin: str | os.PathLike) -> Graph:
    """Parse and check the bytes of a frozen graph; see :func:`read_graph`."""
    return Graph(_parse(content, origin), origin)


def _parse(content: bytes, origin: str | os.PathLike) -> GraphDef:
    if not content:
        raise ModelFileError(f"{origin}: the file is empty")
    message = GraphDef()
    try:
        message.ParseFromString(content)
    except DecodeError:
        what = (
            "the graph is truncated; get a complete copy of the file"
            if _is_cut_short(content)
            else "is not a TensorFlow graph, or is damaged"
        )
        raise ModelFileError(f"{origin}: {what}") from None
    if not message.node:
        raise ModelFileError(f"{origin}: is not a TensorFlow graph: it has no nodes")
    return message


def decode_tensor(tensor: TensorProto) -> np.ndarray:
    """Turn a ``TensorProto`` into an array, whichever way its values are stored.

    Raises:
        ValueError: If the type is not supported or the values do not fill the shape.
    """
    if tensor.dtype not in _DTYPES:
        raise ValueError(f"has the unsupported data type number {tensor.dtype}")
    dtype, field = _DTYPES[tensor.dtype]
    shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
    if tensor.tensor_shape.unknown_rank or min(shape, default=0) < 0:
        raise ValueError("has no definite shape")
    count = 1
    for size in shape:
        count *= size
    itemsize = np.dtype(dtype).itemsize
    if count * itemsize > limits.CONSTANT_BYTES or len(shape) > limits.RANK:
        raise ValueError(f"has the invalid shape {list(shape)}")
    if tensor.tensor_content:
        if dtype is np.object_ or len(tensor.tensor_content) != count * itemsize:
            raise ValueError(f"does not fill its shape {list(shape)}")
        little_endian = np.dtype(dtype).newbyteorder("<")
        flat = np.frombuffer(tensor.tensor_content, little_endian).astype(dtype)
        return flat.reshape(shape)
    values = getattr(tensor, field)
    if len(values) > count:
        raise ValueError(f"has more values than fit its shape {list(shape)}")
    return _unrepeat(values, count, dtype).reshape(shape)


def _unrepeat(values: Sequence[Any], count: int, dtype: type[np.generic]) -> np.ndarray:
    # TensorFlow leaves out a tail of equal values, and all of them if they are zero.
    flat: np.ndarray = np.empty(count, dtype)
    flat[:] = b"" if dtype is np.object_ else 0
    if values:
        known: np.ndarray | list[bytes]
        if dtype is np.float16:  # stored as bit patterns
            known = np.array(values, np.int64).astype(np.uint16).view(np.float16)
        elif dtype is np.object_:
            known = list(values)
        else:
            known = np.array(values).astype(dtype)
        flat[: len(values)] = known
        flat[len(values) :] = known[-1]
    return flat


def _source(entry: str) -> str:
    # An input reads "node", "node:output" or "^node" (a control dependency).
    return entry.removeprefix("^").rpartition(":")[0] or entry.removeprefix("^")


def _is_cut_short(content: bytes) -> bool:
    """Tell whether the top-level records are in order up to one that runs over the end."""
    position = 0
    while position < len(content):
        if content[position] not in (0x0A, 0x12, 0x18, 0x22, 0x2A):  # fields 1 to 5 of GraphDef
            return False
        is_number = content[position] == 0x18
        length, position = _varint(content, position + 1)
        position += 0 if is_number else length
    return position > len(content)


def _varint(content: bytes, position: int) -> tuple[int, int]:
    value = 0
    for i, byte in enumerate(content[position : position + 10]):
        value |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            return value, position + i + 1
    return 0, len(content) + 1
