"""The fitting net ``property`` in PyTorch's files."""

from __future__ import annotations

from typing import Any

import numpy as np

from deepattn.config import ModelConfig
from deepattn.fittings.net_state import IGNORED, complete, read_keys, rules
from deepattn.formats.weight_names import PROPERTY_MEAN, PROPERTY_SPREAD
from deepattn.states.part import OutputOfState, StateFormat
from deepattn.states.rules import Arrays
from deepattn.trees.node import Node


def _read(node: Node) -> dict[str, Any]:
    section = {
        **read_keys(node, "property"),
        "property_name": node.get("property_name", str),
        "task_dim": node.get("task_dim", int, 1),
        "intensive": node.get("intensive", bool, False),
        "distinguish_types": node.get("distinguish_types", bool, True),
    }
    # In its place DeePMD-kit takes the atom_exclude_types of the model.
    node.ignore("exclude_types")
    node.only("atom_ener", [], reason="properties of isolated atoms are not supported")
    node.ignore("rcond")
    node.finish()
    return {"fitting_net": section}


def _with_output(model: ModelConfig, found: OutputOfState) -> Arrays:
    if found.bias is None or found.std is None:
        raise ValueError("lacks the statistics of the property (out_bias, out_std)")
    if np.any(found.fitting_bias):
        raise ValueError("has a bias in its fitting (bias_atom_e), which is not supported")
    return {PROPERTY_MEAN: found.bias[0], PROPERTY_SPREAD: found.std[0]}


def _output(model: ModelConfig, arrays: Arrays) -> OutputOfState:
    mean, spread = (
        np.asarray(arrays[name], np.float64) for name in (PROPERTY_MEAN, PROPERTY_SPREAD)
    )
    return OutputOfState(np.zeros_like(mean), mean[np.newaxis], spread[np.newaxis])


FORMAT = StateFormat(
    ("property",),
    _read,
    rules,
    IGNORED,
    complete=complete,
    own=(PROPERTY_MEAN, PROPERTY_SPREAD),
    with_output=_with_output,
    output=_output,
)
