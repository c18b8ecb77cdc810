"""The fitting net ``ener`` in PyTorch's files."""

from __future__ import annotations

from typing import Any

import numpy as np

from deepattn.config import ModelConfig
from deepattn.fittings.net_state import IGNORED, complete, read_keys, rules
from deepattn.formats.weight_names import BIAS
from deepattn.states.part import OutputOfState, StateFormat
from deepattn.states.rules import Arrays
from deepattn.trees.node import Node


def read(node: Node) -> dict[str, Any]:
    """The model section ``fitting_net``."""
    atom_ener = node.get("atom_ener", (list, type(None)), None) or []
    section = {
        **read_keys(node, "ener"),
        "rcond": node.get("rcond", (float, type(None)), None),
        "atom_ener": atom_ener if any(value is not None for value in atom_ener) else [],
    }
    # In its place DeePMD-kit takes the atom_exclude_types of the model.
    node.ignore("exclude_types")
    node.finish()
    return {"fitting_net": section}


def _with_output(model: ModelConfig, found: OutputOfState) -> Arrays:
    """The energy bias of the model, and that of the fitting, which has the nets' precision."""
    bias = found.fitting_bias.ravel()
    if found.bias is not None:
        added = found.bias.ravel()[: len(bias)]
        bias = bias + added if len(added) == len(bias) else added
    if len(bias) != model.ntypes:
        raise ValueError(f"has {len(bias)} energies for {model.ntypes} types")
    return {BIAS: bias}


def _output(model: ModelConfig, arrays: Arrays) -> OutputOfState:
    # PyTorch's backend rounds that of the fitting to the precision of its nets.
    bias = np.asarray(arrays[BIAS], np.float64).reshape(1, -1, 1)
    return OutputOfState(np.zeros(bias.shape[1:]), bias, np.ones(bias.shape))


FORMAT = StateFormat(
    ("ener",),
    read,
    rules,
    IGNORED,
    complete=complete,
    own=(BIAS,),
    with_output=_with_output,
    output=_output,
)
