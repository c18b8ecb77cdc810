"""The descriptor ``se_e2_r`` in PyTorch's files."""

from __future__ import annotations

from typing import Any

from deepattn.config import ModelConfig
from deepattn.states.descriptors import IGNORED, graph_net, read_section, statistics, tables
from deepattn.states.part import StateFormat
from deepattn.states.rules import Rule
from deepattn.trees.node import Node


def read(node: Node) -> dict[str, Any]:
    """The model section ``descriptor``."""
    section = read_section(node)
    # PyTorch's backend takes the key and has nets of the types of neighbors in any case.
    node.ignore("type_one_side")
    node.finish()
    return {"descriptor": {**section, "type": "se_e2_r", "type_one_side": True}}


def rules(model: ModelConfig) -> list[Rule]:
    """Names of the nets of the types of neighbors."""
    found = statistics("descriptor", columns=1)
    for t in range(model.ntypes):
        found += graph_net(f"descriptor.filter_layers.networks.{t}", "filter_type_all", f"_{t}")
    return found


def empty(model: ModelConfig) -> list[str]:
    """Names of tensors without numbers."""
    return tables("descriptor", model.ntypes)


FORMAT = StateFormat(("se_e2_r", "se_r"), read, rules, ignored=IGNORED, empty=empty)
