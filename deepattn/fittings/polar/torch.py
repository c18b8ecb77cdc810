"""The fitting net ``polar`` in PyTorch's files."""

from __future__ import annotations

from typing import Any

import numpy as np

from deepattn.config import ModelConfig
from deepattn.fittings.net_state import IGNORED, rules
from deepattn.fittings.polar.config import PolarFittingConfig
from deepattn.fittings.polar.graph import SHIFT
from deepattn.fittings.tensor_state import check_output, output_of, read_tensor_keys
from deepattn.states.part import OutputOfState, StateFormat
from deepattn.states.rules import Arrays
from deepattn.trees.node import Node


def _read(node: Node) -> dict[str, Any]:
    section = {
        **read_tensor_keys(node, "polar"),
        "fit_diag": node.get("fit_diag", bool, True),
        "shift_diag": node.get("shift_diag", bool, True),
        "scale": node.get("scale", (float, list, type(None)), None) or 1.0,
    }
    node.finish()
    return {"fitting_net": section}


def _with_output(model: ModelConfig, found: OutputOfState) -> Arrays:
    check_output(found)
    section, shift = model.fitting_net, np.zeros(model.ntypes)
    if isinstance(section, PolarFittingConfig) and section.shift_diag and found.bias is not None:
        shift = found.bias[0].reshape(-1, 3, 3).trace(axis1=1, axis2=2) / 3
    return {SHIFT: shift}


def _output(model: ModelConfig, arrays: Arrays) -> OutputOfState:
    bias = np.asarray(arrays[SHIFT], np.float64)[:, np.newaxis] * np.eye(3).reshape(1, 9)
    return output_of(model, arrays, bias)


FORMAT = StateFormat(
    ("polar",), _read, rules, IGNORED, own=(SHIFT,), with_output=_with_output, output=_output
)
