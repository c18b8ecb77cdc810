"""What PyTorch's files have in common for all fittings by nets."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from deepattn.config import ModelConfig, network_dtype
from deepattn.fittings.net_tree import read_default
from deepattn.formats.weight_names import CASE
from deepattn.states.rules import Arrays, Rule
from deepattn.trees.nets import activation_name
from deepattn.trees.node import Node

# The bias is added to that of the model.
_DEFAULT = "fitting_net.default_fparam_tensor"
IGNORED = (r"fitting_net\.bias_atom_e", r"fitting_net\..*\._networks\..*", re.escape(_DEFAULT))


def read_keys(node: Node, kind: str) -> dict[str, Any]:
    """The keys of the section ``fitting_net`` that all kinds have; others are refused or ignored.

    Args:
        node: The section in the file.
        kind: Its type.
    """
    section = {
        "type": kind,
        "neuron": node.get("neuron", list, [128, 128, 128]),
        "activation_function": activation_name(node.get("activation_function", str, "tanh")),
        "resnet_dt": node.get("resnet_dt", bool, True),
        "numb_fparam": node.get("numb_fparam", int, 0),
        "default_fparam": read_default(node),
        "numb_aparam": node.get("numb_aparam", int, 0),
        "dim_case_embd": node.get("dim_case_embd", int, 0),
        "precision": node.get("precision", str, "default"),
        "trainable": node.get("trainable", (bool, list), True),
    }
    node.only("type", kind, reason=f"expected a fitting {kind}")
    node.only("use_aparam_as_mask", False, reason="mark virtual atoms with type -1")
    node.ignore("seed", "layer_name", "type_map", "ntypes", "dim_descrpt", "embedding_width")
    node.ignore("mixed_types")
    return section


def complete(model: ModelConfig, state: Arrays) -> None:
    """Add the default of the frame parameters, which a model has in its section."""
    if model.fitting_net.default_fparam is not None:
        dtype = network_dtype(model.fitting_net.precision, "float64")
        state[_DEFAULT] = np.array(model.fitting_net.default_fparam, dtype)


def rules(model: ModelConfig) -> list[Rule]:
    """Names of the weights of the one net, or of that of each type."""
    mixed = model.descriptor.mixed_types
    output = len(model.fitting_net.neuron)
    found = [Rule("fitting_net.case_embd", (CASE,))]
    for kind in ("fparam", "aparam"):
        for there, here in (("avg", "avg"), ("inv_std", "istd")):
            found.append(Rule(f"fitting_net.{kind}_{there}", (f"fitting_attr/t_{kind}_{here}",)))
    for t in range(1 if mixed else model.ntypes):
        suffix = "" if mixed else f"_type_{t}"
        net = f"fitting_net.filter_layers.networks.{t}.layers"
        found.append(Rule(f"{net}.{output}.{{part}}", (f"final_layer{suffix}/{{part}}",)))
        found.append(Rule(f"{net}.{{k}}.{{part}}", (f"layer_{{k}}{suffix}/{{part}}",)))
    return found
