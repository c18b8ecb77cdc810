"""The descriptor ``se_e3`` in PyTorch's files."""

from __future__ import annotations

from typing import Any

import numpy as np

from deepattn.config import ModelConfig
from deepattn.states.descriptors import IGNORED, graph_net, read_section, statistics, tables
from deepattn.states.part import StateFormat
from deepattn.states.rules import Arrays, Rule
from deepattn.trees.node import Node

_BLOCK = "descriptor.seat"
_NETS = f"{_BLOCK}.filter_layers.networks"
# Scope of the nets that nothing uses: of each pair of types there are two.
_UNUSED = "filter_type_unused"


def read(node: Node) -> dict[str, Any]:
    """The model section ``descriptor``."""
    section = read_section(node, neuron=(24, 48, 96))
    node.finish()
    return {"descriptor": {**section, "type": "se_e3"}}


def rules(model: ModelConfig) -> list[Rule]:
    """Names of the nets; that of neighbors of types a, b is ``a + ntypes b``."""
    found, ntypes = statistics(_BLOCK), model.ntypes
    for second in range(ntypes):
        for first in range(ntypes):
            scope = "filter_type_all" if first <= second else _UNUSED
            net = f"{_NETS}.{first + ntypes * second}"
            found += graph_net(net, scope, f"_{first}_{second}")
    return found


def finish(model: ModelConfig, arrays: Arrays) -> str | None:
    """Remove the nets that nothing uses."""
    for name in [name for name in arrays if name.startswith(f"{_UNUSED}/")]:
        del arrays[name]
    return None


def empty(model: ModelConfig) -> list[str]:
    """Names of tensors without numbers."""
    return tables(_BLOCK, model.ntypes**2)


def complete(model: ModelConfig, state: Arrays) -> None:
    """Nets of zeros in the places that nothing uses."""
    like = {name: array for name, array in state.items() if name.startswith(f"{_NETS}.0.")}
    for second in range(model.ntypes):
        for first in range(second + 1, model.ntypes):
            net = f"{_NETS}.{first + model.ntypes * second}."
            for name, array in like.items():
                state[name.replace(f"{_NETS}.0.", net)] = np.zeros_like(array)


FORMAT = StateFormat(
    ("se_e3", "se_at", "se_a_3be", "se_t"),
    read,
    rules,
    ignored=IGNORED,
    finish=finish,
    empty=empty,
    complete=complete,
)
