"""What PyTorch's files have in common for fittings of tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from deepattn.config import ModelConfig
from deepattn.fittings.net_state import read_keys
from deepattn.fittings.tensor_config import TensorFittingConfig
from deepattn.states.part import OutputOfState
from deepattn.states.rules import Arrays
from deepattn.trees.node import Node


def read_tensor_keys(node: Node, kind: str) -> dict[str, Any]:
    """The keys of the section ``fitting_net`` that fittings of tensors have.

    Args:
        node: The section in the file.
        kind: Its type.
    """
    keys = read_keys(node, kind)
    for name in ("numb_fparam", "numb_aparam", "dim_case_embd"):
        if keys[name]:
            node.fail(f"{node.path}/{name} = {keys[name]} is not supported for tensors")
    node.only("exclude_types", [], reason="write the model as a .dp file")
    node.only("sel_type", reason="PyTorch's backend takes all types")
    node.ignore("rcond")
    return {name: value for name, value in keys.items() if name not in TensorFittingConfig.implied}


def check_output(found: OutputOfState) -> None:
    """Refuse a bias in the fitting.

    Raises:
        ValueError: There is one.
    """
    if np.any(found.fitting_bias):
        raise ValueError("has a bias in its fitting (bias_atom_e), which is not supported")


def output_of(model: ModelConfig, arrays: Arrays, bias: np.ndarray) -> OutputOfState:
    """The output of a model, and the bias of its nets, which is zero.

    Args:
        model: The model section.
        arrays: The weights.
        bias: Of the output, ``[ntypes, components]``.
    """
    section = model.fitting_net
    if not isinstance(section, TensorFittingConfig):
        raise TypeError(f"{section.type} is no fitting of a tensor")
    if section.chosen is not None and not model.is_common:
        raise KeyError("of chosen types (sel_type) unless model/convention is common")
    last = next(name for name in arrays if name.startswith("final_layer"))
    zeros = np.zeros((model.ntypes, arrays[last].shape[-1]))
    return OutputOfState(zeros, bias[np.newaxis], np.ones((1, *bias.shape)))
