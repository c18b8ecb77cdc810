"""Types of atoms and pairs that a model as a whole leaves out, in files of other backends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deepattn.config import ModelConfig
from deepattn.trees.node import Node


def read_exclusions(node: Node) -> dict[str, Any]:
    """The keys of a model section that say what a model leaves out; those without effect are none.

    Raises:
        ModelFileError: They are no lists of types and of pairs of types.
    """
    pairs = [
        list(pair) if isinstance(pair, list | tuple) else [pair]
        for pair in _list(node, "pair_exclude_types")
    ]
    types = _list(node, "atom_exclude_types")
    if not all(type(kind) is int for kind in (*types, *(kind for pair in pairs for kind in pair))):
        node.fail(f"{node.path} has exclusions that are not types")
    found = {"pair_exclude_types": pairs, "atom_exclude_types": types}
    return {key: value for key, value in found.items() if value}


def written_exclusions(config: ModelConfig) -> dict[str, Any]:
    """The same keys of a model to write, empty ones too.

    DeePMD-kit replaces what a fitting leaves out by what the model does, so both say the same.
    """
    types: Sequence[int] = config.atom_exclude_types
    if config.fitting_net.chosen is not None:
        types = [kind for kind in range(config.ntypes) if kind not in config.fitting_net.chosen]
    return {
        "pair_exclude_types": [list(pair) for pair in config.pair_exclude_types],
        "atom_exclude_types": list(types),
    }


def _list(node: Node, key: str) -> list[Any]:
    return list(node.get(key, (list, tuple, type(None)), []) or [])
