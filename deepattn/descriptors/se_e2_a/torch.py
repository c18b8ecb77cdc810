"""The descriptor ``se_e2_a`` in PyTorch's files."""

from __future__ import annotations

import re
from typing import Any, cast

import numpy as np

from deepattn.config import ModelConfig
from deepattn.descriptors.se_e2_a.config import SeE2AConfig
from deepattn.states.descriptors import IGNORED, graph_net, read_section, statistics, tables
from deepattn.states.part import StateFormat
from deepattn.states.rules import Arrays, Rule
from deepattn.trees.node import Node

_NETS = "descriptor.sea.filter_layers.networks"


def read(node: Node) -> dict[str, Any]:
    """The model section ``descriptor``."""
    section = read_section(node) | {
        "type": "se_e2_a",
        "axis_neuron": node.get("axis_neuron", int, 16),
        "type_one_side": node.get("type_one_side", bool, True),
    }
    node.finish()
    return {"descriptor": section}


def rules(model: ModelConfig) -> list[Rule]:
    """Names of the nets of single types, or of pairs: that of types a, b is ``a + ntypes b``."""
    descriptor, ntypes = cast(SeE2AConfig, model.descriptor), model.ntypes
    found = statistics("descriptor.sea")
    if descriptor.type_one_side:
        for t in range(ntypes):
            found += graph_net(f"{_NETS}.{t}", "filter_type_all", f"_{t}")
        return found
    for neighbor in range(ntypes):
        for center in range(ntypes):
            net = f"{_NETS}.{center + ntypes * neighbor}"
            found += graph_net(net, f"filter_type_{center}", f"_{neighbor}")
    return found


def finish(model: ModelConfig, arrays: Arrays) -> str | None:
    """Remove the nets of excluded pairs, which DeePMD-kit has, and may use for empty slots."""
    descriptor = cast(SeE2AConfig, model.descriptor)
    if descriptor.type_one_side:
        return None
    counted = np.any(arrays.get("descrpt_attr/t_avg", 0))
    for a, b in descriptor.exclude_types:
        for center, neighbor in ((a, b), (b, a)):
            pattern = re.compile(rf"filter_type_{center}/\w+_\d+_{neighbor}")
            for name in [name for name in arrays if pattern.fullmatch(name)]:
                if np.any(arrays.pop(name)) and counted:
                    return (
                        f"the net of the pair {center}, {neighbor} of exclude_types counts for "
                        "missing neighbors as davg is not zero; set its weights to zero"
                    )
    return None


def empty(model: ModelConfig) -> list[str]:
    """Names of tensors without numbers."""
    one_side = cast(SeE2AConfig, model.descriptor).type_one_side
    return tables("descriptor.sea", model.ntypes if one_side else model.ntypes**2)


def complete(model: ModelConfig, state: Arrays) -> None:
    """Nets of zeros for excluded pairs."""
    descriptor, ntypes = cast(SeE2AConfig, model.descriptor), model.ntypes
    nets = [name for name in state if name.startswith(f"{_NETS}.")]
    if descriptor.type_one_side or not nets:
        return
    like = ".".join(nets[0].split(".")[:5])
    for a, b in descriptor.exclude_types:
        for center, neighbor in {(a, b), (b, a)}:
            net = f"{_NETS}.{center + ntypes * neighbor}"
            for name in nets:
                if name.startswith(f"{like}."):
                    state[name.replace(like, net)] = np.zeros_like(state[name])


FORMAT = StateFormat(
    ("se_e2_a", "se_a"),
    read,
    rules,
    ignored=IGNORED,
    finish=finish,
    empty=empty,
    complete=complete,
)
