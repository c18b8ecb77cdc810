"""How much a file may ask of the machine: the limits of all readers, each with its reason.

A file is refused for what it would make of itself, before it does. Every function raises a
`ValueError` without the name of the file, which its caller puts in front.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from yaml import SafeLoader as _Loader
else:
    _Loader = object

# An input that lists 100,000 systems has 10 MB. PyYAML makes up to 500 bytes of a letter, and
# reads 300 kB/s.
JSON_BYTES, YAML_BYTES = 32 << 20, 4 << 20
# Inputs are 8 levels deep, the trees of .dp files 16; Python recurses 1000 times.
DEPTH = 64
# Parts of a text that repeats some of them (aliases of YAML): a few for a letter, and for a short
# text this many.
PARTS = 100_000
# Converting text to an integer takes the square of its length.
DIGITS = 100
# Numbers of atoms, frames or steps fit into eight bytes.
COUNT_DIGITS = 18
# What a compressed array may unpack to: deflate reaches 1032 times the file, and then there are
# headers. Small files may hold small arrays of zeros whatever their size.
UNPACKED, UNPACKED_BYTES = 1100, 64 << 20
# Types of a dump that numbers them: names are made up to the highest. There are 118 elements.
TYPES = 10_000
# TensorFlow ends the process above 254, and models need 5.
RANK = 8
# Protobuf holds no more, so a larger constant is one value repeated.
CONSTANT_BYTES = 1 << 31
# Constants that repeat one value are masks and identities, of the size of a neighborhood.
REPEATED_BYTES = 256 << 20
# Layers of a net, and neurons of a layer: the weights between two such layers fill 34 GB.
LAYERS, WIDTH = 1000, 1 << 16
# Neighbors of an atom: 25 times as many as there are within 20 Å in copper; their input statistics
# for 100 elements fill 3 GB.
SLOTS = 1 << 20
# A table of energies of pairs: two hundred elements in a thousand steps have as many numbers.
TABLE_BYTES = 1 << 28
# A published model: the largest so far have a few hundred megabytes.
DOWNLOAD_BYTES = 8 << 30
# What a model multiplies numbers of atoms with: slots, widths and types, 1000 times 100 times 118.
FACTOR = 1 << 24


def read_bytes(path: str | os.PathLike, limit: int) -> bytes:
    """The content of a file that must not be larger than ``limit``, or without end."""
    with open(path, "rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"is larger than {limit >> 20} MB, the most that such a file may have")
    return content


def check_number(text: str) -> str:
    """Refuse numbers of so many digits that reading them takes long."""
    if len(text) > DIGITS:
        raise ValueError(f"holds a number of {len(text)} characters; give one of at most {DIGITS}")
    return text


def whole_number(text: str) -> int | None:
    """The number that a few digits write, or None for anything else."""
    return int(text) if text.isdecimal() and len(text) <= COUNT_DIGITS else None


def check_unpacked(declared: int, stored: int) -> None:
    """Refuse an array that claims more bytes than its file can hold, however compressed."""
    if declared > max(UNPACKED * stored, UNPACKED_BYTES):
        raise ValueError(f"claims {declared} bytes, which a file of {stored} cannot hold")


def check_tree(
    root: Any, children: Callable[[Any], Iterable[Any]], *, limit: int | None = None
) -> None:
    """Refuse a tree that is too deep, holds itself, or repeats its parts until it is too large.

    Args:
        root: The tree.
        children: The parts of a part; the same objects at every call.
        limit: Number of parts, those that are repeated counted each time.
    """
    size: dict[int, int] = {}
    height: dict[int, int] = {}
    entered: set[int] = set()
    pending = [root]
    while pending:
        part = pending[-1]
        place = id(part)
        if place in size:
            pending.pop()
            continue
        below = list(children(part))
        if place not in entered:
            entered.add(place)
            if any(id(other) in entered for other in below if id(other) not in size):
                raise ValueError("holds itself")
            pending.extend(below)
            continue
        size[place] = 1 + sum(size[id(other)] for other in below)
        height[place] = 1 + max((height[id(other)] for other in below), default=0)
        if height[place] > DEPTH:
            raise ValueError("is nested too deeply")
        if limit is not None and size[place] > limit:
            raise ValueError("repeats parts of itself without end")
        pending.pop()


def check_depth(value: Any) -> None:
    """Refuse mappings and lists that are nested too deeply, or hold themselves."""
    check_tree(value, _parts)


def _parts(value: Any) -> list[Any]:
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list | tuple):
        return []
    return [part for part in value if isinstance(part, dict | list | tuple)]


class BoundedYaml(_Loader):
    """Goes before a loader of PyYAML in the bases of a class, and checks what the text expands to.

    Args:
        text: The whole text.
    """

    def __init__(self, text: str | bytes) -> None:
        super().__init__(text)
        self._limit = max(len(text), PARTS)

    def get_single_node(self) -> Any:
        node = super().get_single_node()
        if node is not None:
            check_tree(node, _nodes, limit=self._limit)
        return node


def _nodes(node: Any) -> list[Any]:
    """The nodes below one of YAML."""
    if isinstance(node.value, str):
        if node.tag in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float"):
            check_number(node.value)
        return []
    if node.value and isinstance(node.value[0], tuple):
        return [part for pair in node.value for part in pair]
    return node.value
