"""The descriptor ``se_e3_tebd`` in PyTorch's files."""

from __future__ import annotations

from typing import Any

from deepattn.config import ModelConfig
from deepattn.states.descriptors import (
    IGNORED,
    TYPE_EMBEDDING,
    graph_net,
    read_section,
    read_type_embedding,
    statistics,
    tables,
)
from deepattn.states.part import StateFormat
from deepattn.states.rules import Rule
from deepattn.trees.node import Node

_BLOCK = "descriptor.se_ttebd"
_RULES = [
    TYPE_EMBEDDING,
    *statistics(_BLOCK),
    *graph_net(f"{_BLOCK}.filter_layers.networks.0", "filter_type_all"),
    *graph_net(f"{_BLOCK}.filter_layers_strip.networks.0", "filter_type_all", "_two_side_ebd"),
]


def read(node: Node) -> dict[str, Any]:
    """The model sections ``descriptor`` and ``type_embedding``."""
    section = read_section(node, neuron=(2, 4, 8))
    sel = section["sel"]
    section |= {
        "type": "se_e3_tebd",
        "sel": sum(sel) if isinstance(sel, list) else sel,
        "set_davg_zero": node.get("set_davg_zero", bool, True),
        "tebd_input_mode": node.get("tebd_input_mode", str, "concat"),
        "smooth": node.get("smooth", bool, True),
        "concat_output_tebd": node.get("concat_output_tebd", bool, True),
    }
    embedding = read_type_embedding(node, section)
    node.finish()
    return {"descriptor": section, "type_embedding": embedding}


def rules(model: ModelConfig) -> list[Rule]:
    """Names of all weights."""
    return _RULES


def empty(model: ModelConfig) -> list[str]:
    """Names of tensors without numbers."""
    return [*tables(_BLOCK), f"{_BLOCK}.type_embd_data"]


FORMAT = StateFormat(("se_e3_tebd",), read, rules, ignored=IGNORED, empty=empty)
