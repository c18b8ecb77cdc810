"""The fitting net ``dos`` in PyTorch's files."""

from __future__ import annotations

from typing import Any

import numpy as np

from deepattn.config import ModelConfig
from deepattn.fittings.dos.graph import BIAS_DOS
from deepattn.fittings.net_state import IGNORED, complete, read_keys, rules
from deepattn.states.part import OutputOfState, StateFormat
from deepattn.states.rules import Arrays
from deepattn.trees.node import Node


def _read(node: Node) -> dict[str, Any]:
    section = {
        **read_keys(node, "dos"),
        "rcond": node.get("rcond", (float, type(None)), None),
        "numb_dos": node.get("numb_dos", int, 300),
    }
    # In its place DeePMD-kit takes the atom_exclude_types of the model.
    node.ignore("exclude_types")
    node.only("atom_ener", [], reason="densities of isolated atoms are not supported")
    node.finish()
    return {"fitting_net": section}


def _with_output(model: ModelConfig, found: OutputOfState) -> Arrays:
    bias = found.fitting_bias
    return {BIAS_DOS: bias if found.bias is None else bias + found.bias[0]}


def _output(model: ModelConfig, arrays: Arrays) -> OutputOfState:
    bias = np.asarray(arrays[BIAS_DOS], np.float64)
    return OutputOfState(np.zeros_like(bias), bias[np.newaxis], np.ones((1, *bias.shape)))


FORMAT = StateFormat(
    ("dos",),
    _read,
    rules,
    IGNORED,
    complete=complete,
    own=(BIAS_DOS,),
    with_output=_with_output,
    output=_output,
)
