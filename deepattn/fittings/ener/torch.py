"""The fitting net ``ener`` in PyTorch's files."""

from __future__ import annotations

from typing import Any

from deepattn.config import ModelConfig
from deepattn.formats.weight_names import CASE
from deepattn.states.part import StateFormat
from deepattn.states.rules import Rule
from deepattn.trees.nets import activation_name
from deepattn.trees.node import Node

# The bias is added to that of the model.
_IGNORED = (r"fitting_net\.bias_atom_e", r"fitting_net\..*\._networks\..*")


def read(node: Node) -> dict[str, Any]:
    """The model section ``fitting_net``."""
    atom_ener = node.get("atom_ener", (list, type(None)), None) or []
    section = {
        "type": "ener",
        "neuron": node.get("neuron", list, [120, 120, 120]),
        "activation_function": activation_name(node.get("activation_function", str, "tanh")),
        "resnet_dt": node.get("resnet_dt", bool, True),
        "numb_fparam": node.get("numb_fparam", int, 0),
        "numb_aparam": node.get("numb_aparam", int, 0),
        "dim_case_embd": node.get("dim_case_embd", int, 0),
        "precision": node.get("precision", str, "default"),
        "rcond": node.get("rcond", (float, type(None)), None),
        "trainable": node.get("trainable", (bool, list), True),
        "atom_ener": atom_ener if any(value is not None for value in atom_ener) else [],
    }
    node.only("type", "ener", reason="energies are all that is fitted")
    node.only("default_fparam", reason="give fparam with every frame")
    node.only("use_aparam_as_mask", False, reason="mark virtual atoms with type -1")
    node.only("exclude_types", [], reason="leave those atoms out of the data")
    node.ignore("seed", "layer_name", "type_map", "ntypes", "dim_descrpt", "embedding_width")
    node.ignore("mixed_types")
    node.finish()
    return {"fitting_net": section}


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


FORMAT = StateFormat(("ener",), read, rules, _IGNORED)
