"""The section ``model`` of graphs that carry no training script.

Such a graph is rebuilt, since its operations are not run here; its nodes say all that matters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from deepattn.formats.frozen import FrozenModel

_SEARCH = "ProdEnvMatR"
# Operations of activations by their names in inputs.
_ACTIVATIONS = {
    "Tanh": "tanh",
    "Relu": "relu",
    "Relu6": "relu6",
    "Softplus": "softplus",
    "Sigmoid": "sigmoid",
}


def section_of_graph(frozen: FrozenModel) -> dict[str, Any] | None:
    """The section that describes a graph, or None if it is not known how to read it.

    Args:
        frozen: A graph.
    """
    searches = [node for node in frozen.graph.nodes.values() if node.op == _SEARCH]
    weights = frozen.weights
    both = "filter_type_0/matrix_1_0" in weights
    center = "filter_type_0/" if both else "filter_type_all/"
    neuron = _widths(weights, rf"{center}matrix_(\d+)_0")
    hidden = _widths(weights, r"layer_(\d+)_type_0/matrix")
    activations = [_activation(frozen, scope) for scope in (center, "layer_0_type_0/")]
    if len(searches) != 1 or not neuron or not hidden or None in activations:
        return None
    values = searches[0].attr
    descriptor = {
        "type": "se_e2_r",
        "sel": list(values["sel"].list.i),
        "rcut": values["rcut"].f,
        "rcut_smth": values["rcut_smth"].f,
        "neuron": neuron,
        "type_one_side": not both,
        "resnet_dt": any(name.startswith(f"{center}idt_") for name in weights),
        "activation_function": activations[0],
    }
    fitting = {
        "neuron": hidden,
        "resnet_dt": any(re.fullmatch(r"layer_\d+_type_0/idt", name) for name in weights),
        "activation_function": activations[1],
        "numb_fparam": frozen.dfparam,
        "numb_aparam": frozen.daparam,
    }
    for part, name in (
        (descriptor, f"{center}matrix_1_0"),
        (fitting, "layer_0_type_0/matrix"),
    ):
        part["precision"] = str(weights[name].dtype)
    return {"type_map": frozen.type_map, "descriptor": descriptor, "fitting_net": fitting}


def _widths(weights: Mapping[str, np.ndarray], pattern: str) -> list[int]:
    """The widths of the layers of a net, by the names of its matrices."""
    found = {
        int(m[1]): weights[m[0]].shape[1] for m in (re.fullmatch(pattern, n) for n in weights) if m
    }
    return [found[place] for place in sorted(found)]


def _activation(frozen: FrozenModel, scope: str) -> str | None:
    """The activation of a net; None if there is not exactly one that is known."""
    nodes = frozen.graph.nodes.items()
    found = {_ACTIVATIONS.get(node.op) for name, node in nodes if name.startswith(scope)} - {None}
    return found.pop() if len(found) == 1 else None
