"""Reading a whole model in a file of PyTorch."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from deepattn.config import (
    DESCRIPTORS,
    FITTINGS,
    FittingConfig,
    ModelConfig,
    model_config,
    network_dtype,
)
from deepattn.config.load import without_comments
from deepattn.errors import ConfigError, ModelFileError
from deepattn.formats.torch import PickleError, TorchModel
from deepattn.models.dpmodel import complete, has_all_residuals
from deepattn.models.dpmodel.moments import of_frozen
from deepattn.registry import Registry, formats_of
from deepattn.states import StateFormat, read_state
from deepattn.states.descriptors import TABLES
from deepattn.states.part import FITTING_BIAS, OutputOfState
from deepattn.trees.embedding import Arrays
from deepattn.trees.exclusions import read_exclusions
from deepattn.trees.node import Node

# What the names of most tensors begin with.
ATOMIC = "atomic_model."
# In front of it in models of magnetic moments.
OF_MOMENTS = "backbone_model."
# Statistics of the model's output.
OUT_BIAS, OUT_STD = "out_bias", "out_std"

# Keys of a section that say nothing about what the weights compute.
_OF_TRAININGS = (
    *("data_stat_nbatch", "data_stat_protect", "data_bias_nsample", "preset_out_bias", "info"),
    *("model_branch_alias", "finetune_head", "srtab_add_bias", "compress"),
    "resuming",
    *("bridging_r_inner", "bridging_r_outer", "type_embedding", "hessian_mode"),
)
# Of all models: spreads that only trainings use, what has been read, and masks that follow from
# sections.
_IGNORED = (
    r"out_std",
    r"out_bias",
    r"min_nbor_dist",
    r"(.*\.)?(emask|(atom|pair)_excl)\.type_mask",
    r"(virtual_scale|spin)_mask",
)


def from_torch(model: TorchModel, origin: str) -> tuple[ModelConfig, Arrays, float | None]:
    """Configuration, weights by name, and shortest distance in the training data (Å, or None).

    Args:
        model: What `deepattn.formats.torch.TorchFile` gives.
        origin: The file, for messages.

    Raises:
        ModelFileError: The model is of another kind or shape than those that are read.
    """
    node = Node(of_frozen(without_comments(model.section), origin), "model", origin)
    type_map = node.get("type_map", list)
    if not type_map or not all(isinstance(name, str) for name in type_map):
        node.fail("model/type_map is not a list of names")
    node.only("type", "standard", reason="models of other kinds cannot be read")
    exclusions = read_exclusions(node)
    node.only("bridging_method", "None", reason="models with it are not supported")
    spin = node.get("spin", (dict, type(None)), None)
    for key in ("use_srtab", "modifier", "lora"):
        node.only(key, False, {}, reason="models with it are not supported")
    descriptor_node, fitting_node = node.child("descriptor"), node.child("fitting_net")
    node.ignore(*_OF_TRAININGS)
    node.finish()
    of_descriptor = _format(DESCRIPTORS, descriptor_node)
    of_fitting = _format(FITTINGS, fitting_node, FittingConfig.default_type)
    section = {"type_map": type_map, **exclusions, **of_descriptor.read(descriptor_node)}
    section |= of_fitting.read(fitting_node)
    section |= {} if spin is None else {"spin": spin}
    names = {name.removeprefix(OF_MOMENTS).removeprefix(ATOMIC): name for name in model.tensors}
    tables = [name for name in names if re.fullmatch(TABLES, name)]
    if any(0 not in model.tensors[names[name]].shape for name in tables):
        node.fail("is compressed; give the model that was compressed instead")
    return _assemble(model, section, names, (of_descriptor, of_fitting), origin)


def with_bias(model: TorchModel, bias: np.ndarray) -> dict[str, np.ndarray]:
    """The tensors that give a model other energies of the elements.

    Args:
        model: As in `from_torch`.
        bias: eV, one number for each type.
    """
    fitting, out = ATOMIC + FITTING_BIAS, ATOMIC + OUT_BIAS
    present = model.array(fitting)
    if out not in model.tensors:
        return {fitting: bias.astype(present.dtype).reshape(present.shape)}
    rows = model.array(out).astype(np.float64)
    rows.reshape(-1)[: len(bias)] = bias
    return {fitting: np.zeros_like(present), out: rows}


def _assemble(
    model: TorchModel,
    section: dict[str, Any],
    names: Mapping[str, str],
    formats: tuple[StateFormat, StateFormat],
    origin: str,
) -> tuple[ModelConfig, Arrays, float | None]:
    def array(name: str) -> np.ndarray:
        try:
            values = model.array(names[name])
        except PickleError as error:
            raise ModelFileError(f"{origin}: cannot be read: {error}.") from None
        if values.dtype.kind != "f":
            raise ModelFileError(f"{origin}: {name} holds {values.dtype}, not floating point")
        return values

    try:
        # Which convention it has is known with its weights.
        config = model_config({**section, "convention": "common"})
    except ConfigError as error:
        raise ModelFileError(f"{origin}: {error}") from None
    rules = [rule for one in formats for rule in one.rules(config)]
    ignored = [*_IGNORED, *(pattern for one in formats for pattern in one.ignored)]
    try:
        arrays, unknown = read_state(names, array, rules, ignored)
    except ModelFileError:
        raise
    except ValueError as error:
        raise ModelFileError(f"{origin}: is damaged: {error}") from None
    if unknown:
        raise ModelFileError(
            f"{origin}: holds the weights {unknown[0]}, which are not known, so the model is not "
            "supported"
        )
    for one in formats:
        reason = one.finish(config, arrays)
        if reason is not None:
            raise ModelFileError(f"{origin}: is not supported: {reason}")
    _, of_fitting = formats
    try:
        arrays |= of_fitting.with_output(config, _output(array, names, config, origin))
    except ValueError as error:
        raise ModelFileError(f"{origin}: {error}") from None
    try:
        every_residual = True if has_all_residuals(arrays) else None
        config = complete(section, arrays, origin, every_residual)
    except KeyError as error:
        raise ModelFileError(f"{origin}: lacks the weights {error.args[0]}") from None
    return config, arrays, _distance(array, names)


def _format(kinds: Registry, node: Node, default: str | None = None) -> StateFormat:
    """The format of the type that a node has."""
    name = node.get("type", str, *([] if default is None else [default]))
    formats = formats_of(kinds, name, "torch")
    if name not in formats:
        node.fail(f"{node.path} is of type {name!r}; {', '.join(formats)} can be read")
    return formats[name]


def _output(
    array: Callable[[str], np.ndarray], names: Mapping[str, str], config: ModelConfig, origin: str
) -> OutputOfState:
    """Statistics of the labels."""
    if FITTING_BIAS not in names:
        raise ModelFileError(f"{origin}: lacks the weights {FITTING_BIAS}")
    bias = array(FITTING_BIAS).astype(np.float64)
    if network_dtype(config.fitting_net.precision, "float64") == "float32":
        bias = bias.astype(np.float32).astype(np.float64)
    others = (array(name) if name in names else None for name in (OUT_BIAS, OUT_STD))
    return OutputOfState(bias, *others)


def _distance(array: Callable[[str], np.ndarray], names: Mapping[str, str]) -> float | None:
    if "min_nbor_dist" not in names:
        return None
    value = array("min_nbor_dist").ravel()
    return float(value[0]) if value.size and 0 < value[0] < np.inf else None
