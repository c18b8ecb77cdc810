"""The fitting net ``ener`` in a tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from deepattn.config import ModelConfig
from deepattn.fittings.ener.config import EnerFittingConfig
from deepattn.formats.weight_names import BIAS, CASE
from deepattn.trees.embedding import Arrays
from deepattn.trees.nets import (
    Layer,
    activation_name,
    one_of,
    read_nets,
    write_net,
    write_nets,
)
from deepattn.trees.node import Node
from deepattn.trees.part import FittingFormat

_KIND = "FittingNetwork"
# Statistics in a tree, and their names as weights, for both kinds of parameters.
_STATISTICS = {"avg": "avg", "inv_std": "istd"}


def read_fitting(
    node: Node, type_map: Sequence[str], *, mixed_types: bool
) -> tuple[dict[str, Any], Arrays, bool | None]:
    """A fitting net.

    Args:
        node: It.
        type_map: Names of the types.
        mixed_types: Whether one net serves all types.

    Returns:
        The section ``fitting_net``; the weights; and whether layers have all residual connections
        that their widths allow, None where that makes no difference.
    """
    node.version("Fitting", 1, 2, 3, 4)
    ntypes = len(type_map)
    section = {
        "type": "ener",
        "neuron": node.get("neuron", list),
        "activation_function": activation_name(node.get("activation_function", str)),
        "resnet_dt": node.get("resnet_dt", bool),
        "numb_fparam": node.get("numb_fparam", int, 0),
        "numb_aparam": node.get("numb_aparam", int, 0),
        "dim_case_embd": node.get("dim_case_embd", int, 0),
        "precision": node.get("precision", str),
        "rcond": node.get("rcond", (float, type(None)), None),
        "trainable": node.get("trainable", (bool, list), True),
        "atom_ener": _atom_ener(node, mixed_types),
    }
    node.computes_in(section["precision"])
    node.only("type", "ener", reason="only energies are fitted")
    node.only("mixed_types", mixed_types, reason="the descriptor is of the other kind")
    node.only("exclude_types", [], reason="leave those atoms out of the data")
    node.only("default_fparam", reason="give fparam with every frame")
    node.only("use_aparam_as_mask", False, reason="mark virtual atoms with type -1")
    node.only("tot_ener_zero", False, reason="energies of frames are sums over atoms")
    node.only("spin", reason="models of magnetic moments are not supported")
    node.only("type_map", list(type_map), reason="it is not the model's")
    # Names of layers matter where weights are shared in a training.
    node.ignore("var_name", "dim_out", "ntypes", "dim_descrpt", "layer_name")
    nets = read_nets(node.child("nets"), _KIND, ndim=0 if mixed_types else 1, ntypes=ntypes)
    arrays = _statistics(node, section, ntypes)
    node.finish()
    rules = []
    for k, layers in enumerate(nets):
        if layers is None:
            node.fail(f"{node.path}/nets has no net {k}")
        suffix = "" if mixed_types else f"_type_{k}"
        rules.append(_residual_rule(node, layers))
        arrays |= _weights(node, layers, suffix, section["activation_function"])
    return section, arrays, one_of(node, "residual connections", rules)


def write_fitting(
    section: EnerFittingConfig, config: ModelConfig, arrays: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """Section and weights as a fitting net."""
    ntypes = len(config.type_map)
    mixed_types = config.descriptor.mixed_types
    count = len(section.neuron) + 1
    trainable = section.trainable
    trained = [trainable] * count if isinstance(trainable, bool) else list(trainable)
    nets = [
        write_net(_layers(config, arrays, suffix, trained), _KIND, resnet_dt=section.resnet_dt)
        for suffix in ([""] if mixed_types else [f"_type_{k}" for k in range(ntypes)])
    ]
    parameters = {
        f"{kind}_{there}": arrays.get(f"fitting_attr/t_{kind}_{here}")
        for kind in ("fparam", "aparam")
        for there, here in _STATISTICS.items()
    }
    others = section.numb_fparam + section.numb_aparam + section.dim_case_embd
    width = nets[0]["in_dim"] - others
    return {
        "@class": "Fitting",
        "@version": 4,
        "type": "ener",
        "var_name": "energy",
        "dim_out": 1,
        "ntypes": ntypes,
        "dim_descrpt": width,
        "neuron": list(section.neuron),
        "resnet_dt": section.resnet_dt,
        "numb_fparam": section.numb_fparam,
        "numb_aparam": section.numb_aparam,
        "dim_case_embd": section.dim_case_embd,
        "default_fparam": None,
        "rcond": section.rcond,
        "activation_function": section.activation_function,
        "precision": nets[0]["precision"],
        "mixed_types": mixed_types,
        "exclude_types": [],
        "type_map": list(config.type_map),
        "tot_ener_zero": False,
        "trainable": trained,
        "layer_name": None,
        "use_aparam_as_mask": False,
        "spin": None,
        "atom_ener": list(section.atom_ener),
        "nets": write_nets(nets, _KIND, ndim=0 if mixed_types else 1, ntypes=ntypes),
        "@variables": {
            "bias_atom_e": arrays[BIAS][:, np.newaxis],
            "case_embd": arrays.get(CASE),
            **parameters,
        },
    }


def _atom_ener(node: Node, mixed_types: bool) -> list[float | None]:
    """Energies of isolated atoms; empty unless the net's value for no neighbors is subtracted."""
    values = node.get("atom_ener", (list, type(None)), None) or []
    given = [value is not None for value in values]
    if not any(given):
        return []
    if not (mixed_types or all(given)):
        node.fail(f"{node.path}/atom_ener is given for some types only, which is not supported")
    return values


def _statistics(node: Node, section: Mapping[str, Any], ntypes: int) -> Arrays:
    widths = {"fparam": section["numb_fparam"], "aparam": section["numb_aparam"]}
    shapes: dict[str, tuple[int, ...]] = {
        "bias_atom_e": (ntypes, 1),
        "case_embd": (section["dim_case_embd"],),
    }
    names = []
    for kind, width in widths.items():
        for there, here in _STATISTICS.items():
            shapes[f"{kind}_{there}"] = (width,)
            names.append(f"fitting_attr/t_{kind}_{here}")
    bias, case, *parameters = node.arrays(shapes)
    if bias is None:
        node.fail(f"{node.path}/@variables lacks bias_atom_e")
    if section["dim_case_embd"]:
        if case is None:
            node.fail(f"{node.path}/@variables lacks case_embd, though dim_case_embd is not 0")
        names.append(CASE)
        parameters.append(case)
    found = zip(names, parameters, strict=True)
    return {BIAS: bias[:, 0], **{n: array for n, array in found if array is not None}}


def _residual_rule(node: Node, layers: Sequence[Layer]) -> bool | None:
    """Whether all residual connections are made; None if TensorFlow's rule comes to the same."""
    copies = [layer.copies for layer in layers[:-1]]
    every = [replace(layer, residual=True).copies for layer in layers[:-1]]
    fewer = [count if k and count == 1 else 0 for k, count in enumerate(every)]
    if copies not in (every, fewer):
        node.fail(f"{node.path} has residual connections in an order that is not supported")
    return None if every == fewer else copies == every


def _weights(node: Node, layers: Sequence[Layer], suffix: str, activation: str) -> Arrays:
    *hidden, output = layers
    if any(layer.activation != activation for layer in hidden):
        node.fail(f"{node.path} has layers whose activation_function differs from its own")
    if output.copies or output.activation != "linear" or output.idt is not None:
        node.fail(f"{node.path} has an output layer that is not linear")
    names = [*(f"layer_{k}{suffix}" for k in range(len(hidden))), f"final_layer{suffix}"]
    return {
        f"{name}/{part}": array
        for name, layer in zip(names, layers, strict=True)
        for part, array in (("matrix", layer.matrix), ("bias", layer.bias), ("idt", layer.idt))
        if array is not None
    }


def _layers(
    config: ModelConfig, arrays: Mapping[str, np.ndarray], suffix: str, trained: Sequence[bool]
) -> list[Layer]:
    section = config.fitting_net
    names = [*(f"layer_{k}" for k in range(len(section.neuron))), "final_layer"]
    layers = []
    for k, name in enumerate(names):
        matrix = arrays[f"{name}{suffix}/matrix"]
        rows, columns = matrix.shape
        is_output = name == "final_layer"
        every = config.is_common or (k > 0 and rows == columns)
        layers.append(
            Layer(
                matrix,
                arrays.get(f"{name}{suffix}/bias"),
                arrays.get(f"{name}{suffix}/idt"),
                "linear" if is_output else section.activation_function,
                residual=every and not is_output,
                trainable=trained[k],
            )
        )
    return layers


FORMAT = FittingFormat(("ener",), read_fitting, write_fitting)
