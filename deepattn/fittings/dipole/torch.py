"""The fitting net ``dipole`` in PyTorch's files."""

from __future__ import annotations

from typing import Any

import numpy as np

from deepattn.config import ModelConfig
from deepattn.fittings.net_state import IGNORED, rules
from deepattn.fittings.tensor_state import check_output, output_of, read_tensor_keys
from deepattn.states.part import OutputOfState, StateFormat
from deepattn.states.rules import Arrays
from deepattn.trees.node import Node


def _read(node: Node) -> dict[str, Any]:
    section = read_tensor_keys(node, "dipole")
    for key in ("r_differentiable", "c_differentiable"):
        node.only(key, True, reason="derivatives are always given")
    node.finish()
    return {"fitting_net": section}


def _with_output(model: ModelConfig, found: OutputOfState) -> Arrays:
    check_output(found)
    return {}


def _output(model: ModelConfig, arrays: Arrays) -> OutputOfState:
    return output_of(model, arrays, np.zeros((model.ntypes, 3)))


FORMAT = StateFormat(("dipole",), _read, rules, IGNORED, with_output=_with_output, output=_output)
