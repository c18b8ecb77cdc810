"""SavedModels: folders that DeePMD-kit's TensorFlow 2 backend runs, read without TensorFlow.

Of a SavedModel only the functions that evaluate the model and the constants that describe it are
taken, so neither variables nor assets nor what TensorFlow would run on loading play a part.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from deepattn.errors import ModelFileError
from deepattn.formats.allowed_ops import FUNCTION_OPS, TENSORFLOW_OPS
from deepattn.formats.graphdef import decode_tensor
from deepattn.formats.messages import FunctionDef, GraphDef, NodeDef, SavedModelMessage, attribute

SUFFIX = ".savedmodeltf"
# The file that every SavedModel has.
MARK = "saved_model.pb"

# The functions for atoms alone, and for atoms, ghosts and a list of neighbors.
CALL, CALL_LOWER = "call_with_atomic_virial", "call_lower_with_atomic_virial"
# The constant of a parallel model that gives the cutoff of neighbors; its ``get_rcut`` is that of
# messages.
NEIGHBOR_RCUT = "get_neighbor_rcut"
# What TensorFlow makes of a function's name.
_TRACED = re.compile(r"__inference_(\w+)_\d+")


@dataclass(frozen=True)
class SavedModel:
    """What a SavedModel holds.

    Attributes:
        origin: Where it comes from, the first words of every error message.
        functions: The functions that evaluate the model, and those that they call, by name.
        entries: The names of `CALL` and `CALL_LOWER` among them.
        facts: Constants by the names of the functions that return them, such as ``get_rcut``.
        versions: The ``versions`` of the graph.
    """

    origin: str
    functions: Mapping[str, FunctionDef] = field(repr=False)
    entries: Mapping[str, str]
    facts: Mapping[str, np.ndarray] = field(repr=False)
    versions: Any = field(repr=False)

    def library(self) -> GraphDef:
        """A graph without nodes whose library has the functions."""
        graph = GraphDef()
        graph.versions.CopyFrom(self.versions)
        graph.library.function.extend(f.SerializeToString() for f in self.functions.values())
        return graph

    def number(self, name: str) -> Any:
        """A constant that is one number or truth value.

        Raises:
            ModelFileError: It is missing or something else.
        """
        value = self._value(name)
        if not isinstance(value, bool | int | float):
            raise ModelFileError(f"{self.origin}: the constant of {name} is not a number")
        return value

    def text(self, name: str) -> str:
        """A constant that is text.

        Raises:
            ModelFileError: It is missing or something else.
        """
        value = self._value(name)
        if not isinstance(value, bytes):
            raise ModelFileError(f"{self.origin}: the constant of {name} is not text")
        return value.decode(errors="replace")

    def texts(self, name: str) -> list[str]:
        """A constant that is a list of texts.

        Raises:
            ModelFileError: It is missing or something else.
        """
        return [value.decode(errors="replace") for value in self._list(name, bytes, "texts")]

    def integers(self, name: str) -> list[int]:
        """A constant that is a list of integers.

        Raises:
            ModelFileError: It is missing or something else.
        """
        return self._list(name, int, "integers")

    def _list(self, name: str, kind: type, what: str) -> list[Any]:
        values = self._value(name)
        if not isinstance(values, list) or not all(isinstance(v, kind) for v in values):
            raise ModelFileError(f"{self.origin}: the constant of {name} is not a list of {what}")
        return values

    def _value(self, name: str) -> Any:
        if name not in self.facts:
            raise ModelFileError(
                f"{self.origin}: has no function {name}, so it is not a model of DeePMD-kit"
            )
        return self.facts[name].tolist()


def parse_saved_model(content: bytes, origin: str | os.PathLike) -> SavedModel:
    """Parse and check the content of ``saved_model.pb``.

    Args:
        content: The bytes.
        origin: The folder, for messages.

    Raises:
        ModelFileError: If it is damaged, no energy model, or not made of allowed operations.
    """
    message = SavedModelMessage()
    try:
        message.ParseFromString(content)
        graphs = [meta.graph_def for meta in message.meta_graphs]
        functions = {}
        for graph in graphs[:1]:
            for serialized in graph.library.function:
                function = FunctionDef()
                function.ParseFromString(serialized)
                functions[function.signature.name] = function
    except DecodeError:
        raise ModelFileError(f"{origin}: {MARK} in it is damaged") from None
    traced = {}
    for name in functions:
        match = _TRACED.fullmatch(name)
        if match:
            traced[match[1]] = name
    if CALL not in traced:
        raise ModelFileError(
            f"{origin}: is a SavedModel without the function {CALL}, so it is not an energy model "
            "of deepattn"
        )
    entries = {name: traced[name] for name in (CALL, CALL_LOWER) if name in traced}
    reached = _reachable(functions, list(entries.values()), origin)
    facts = {name: functions[full] for name, full in traced.items() if full not in reached}
    return SavedModel(
        origin=str(origin),
        functions=reached,
        entries=entries,
        facts=dict(_constants(facts, origin)),
        versions=graphs[0].versions,
    )


def _reachable(
    functions: Mapping[str, FunctionDef], names: list[str], origin: str | os.PathLike
) -> dict[str, FunctionDef]:
    """The functions of some names and all that they call, checked.

    Raises:
        ModelFileError: One is missing, or has an operation that is not allowed.
    """
    found: dict[str, FunctionDef] = {}
    pending = list(names)
    while pending:
        name = pending.pop()
        if name in found:
            continue
        if name not in functions:
            raise ModelFileError(f"{origin}: the function '{name}' is missing from it")
        found[name] = functions[name]
        for node in functions[name].node_def:
            if node.op in functions:
                pending.append(node.op)
            elif node.op not in TENSORFLOW_OPS | FUNCTION_OPS:
                raise ModelFileError(
                    f"{origin}: refused: node '{node.name}' is the operation '{node.op}', which "
                    "energy models are not made of"
                )
            pending += _called(node)
    return found


def _called(node: NodeDef) -> Iterator[str]:
    """The functions that the attributes of a node name."""
    for value in node.attr.values():
        if value.HasField("func"):
            yield value.func.name
        yield from (function.name for function in value.list.func)


def _constants(
    functions: Mapping[str, FunctionDef], origin: str | os.PathLike
) -> Iterator[tuple[str, np.ndarray]]:
    """What those of the functions return that return one constant."""
    for name, function in functions.items():
        constants = [node for node in function.node_def if node.op == "Const"]
        if len(constants) != 1 or function.signature.input_arg:
            continue
        tensor = attribute(constants[0], "value").tensor
        try:
            # Nothing that describes a model repeats one value many times.
            if math.prod(dim.size for dim in tensor.tensor_shape.dim) > tensor.ByteSize():
                raise ValueError("is larger than the file")
            yield name, decode_tensor(tensor)
        except ValueError as error:
            raise ModelFileError(f"{origin}: the constant of {name} {error}") from None
