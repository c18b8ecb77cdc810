"""The descriptor ``hybrid`` in a tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deepattn.config import DESCRIPTORS, ModelConfig
from deepattn.descriptors.hybrid.config import HybridConfig, arrays_of_part
from deepattn.formats.weight_names import of_part
from deepattn.registry import formats_of, resolve
from deepattn.trees.embedding import Arrays
from deepattn.trees.node import Node
from deepattn.trees.part import DescriptorFormat


def read_hybrid(node: Node, type_map: Sequence[str]) -> tuple[dict[str, Any], Arrays]:
    """A descriptor as the model section ``descriptor``, and its weights."""
    node.version("Descriptor", 1)
    node.ignore("type")
    sections: list[dict[str, Any]] = []
    arrays: Arrays = {}
    for place, child in enumerate(node.children("list")):
        if child is None:
            node.fail(f"{node.path}/list/{place} is null")
        name = child.get("type", str)
        formats = formats_of(DESCRIPTORS, name, "dpmodel")
        if name not in formats:
            node.fail(f"{child.path} has the type {name!r}, which is not supported in a hybrid")
        found, own = formats[name].read(child, type_map)
        if set(found) != {"descriptor"}:
            node.fail(f"{child.path} has a type embedding, which is not supported in a hybrid")
        sections.append(found["descriptor"])
        arrays |= {of_part(key, place): array for key, array in own.items()}
    node.finish()
    return {"descriptor": {"type": "hybrid", "list": sections}}, arrays


def write_hybrid(
    section: HybridConfig, config: ModelConfig, arrays: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """Section and weights as a descriptor."""
    return {
        "@class": "Descriptor",
        "type": "hybrid",
        "@version": 1,
        "list": [
            resolve(part.dpmodel or "").write(part, config, arrays_of_part(arrays, place))
            for place, part in enumerate(section.list)
        ],
    }


FORMAT = DescriptorFormat(("hybrid",), read_hybrid, write_hybrid)
