"""What trees of ``.dp`` files have in common for all fittings by nets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from deepattn.config import FittingConfig, ModelConfig
from deepattn.formats.weight_names import CASE
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

_KIND = "FittingNetwork"
# Statistics in a tree, and their names as weights, for both kinds of parameters.
_STATISTICS = {"avg": "avg", "inv_std": "istd"}
# Of an array; None for any.
Shape = tuple[int, ...] | None


def read_keys(node: Node, kind: str) -> dict[str, Any]:
    """The keys of the section ``fitting_net`` that all kinds have; others are refused or ignored.

    Args:
        node: The fitting.
        kind: Its type.
    """
    section = {
        "type": kind,
        "neuron": node.get("neuron", list),
        "activation_function": activation_name(node.get("activation_function", str)),
        "resnet_dt": node.get("resnet_dt", bool),
        "numb_fparam": node.get("numb_fparam", int, 0),
        "default_fparam": read_default(node),
        "numb_aparam": node.get("numb_aparam", int, 0),
        "dim_case_embd": node.get("dim_case_embd", int, 0),
        "precision": node.get("precision", str),
        "trainable": node.get("trainable", (bool, list), True),
    }
    node.computes_in(section["precision"])
    node.only("type", kind, reason=f"expected a fitting {kind}")
    node.only("use_aparam_as_mask", False, reason="mark virtual atoms with type -1")
    node.only("tot_ener_zero", False, reason="results of frames are sums over atoms")
    node.only("spin", reason="models of magnetic moments are not supported")
    # Names of layers matter where weights are shared in a training.
    node.ignore("ntypes", "dim_descrpt", "layer_name")
    return section


def read_default(node: Node) -> list[float] | None:
    """The frame parameters of frames without any; None where there are no defaults.

    Raises:
        ModelFileError: They are no numbers.
    """
    values = node.get("default_fparam", (list, type(None)), None)
    if values is not None and not all(type(value) in (int, float) for value in values):
        node.fail(f"{node.path}/default_fparam is not a list of numbers")
    # DeePMD-kit keeps them in models without frame parameters too, which do not look at them.
    return values if node.get("numb_fparam", int, 0) else None


def read_chosen(node: Node, ntypes: int) -> list[int] | None:
    """The types that are not excluded; None for all."""
    excluded = node.get("exclude_types", list, [])
    chosen = [kind for kind in range(ntypes) if kind not in excluded]
    return chosen if excluded else None


def read_weights(
    node: Node,
    section: Mapping[str, Any],
    type_map: Sequence[str],
    *,
    mixed_types: bool,
    variables: Mapping[str, Shape],
    chosen: Sequence[int] | None = None,
) -> tuple[list[np.ndarray | None], Arrays, bool | None]:
    """Nets and statistics of a fitting; nothing of the node may be left then.

    Args:
        node: It.
        section: Its keys, those of all kinds at least.
        type_map: Names of the types.
        mixed_types: Whether one net serves all types.
        variables: Shapes of the arrays of its kind.
        chosen: Types that have nets; None for all.

    Returns:
        The arrays of its kind; the other weights by name; and whether layers have all residual
        connections that their widths allow, None where that makes no difference.
    """
    node.only("mixed_types", mixed_types, reason="the descriptor is of the other kind")
    node.only("type_map", list(type_map), reason="it is not the model's")
    ntypes = len(type_map)
    nets = read_nets(node.child("nets"), _KIND, ndim=0 if mixed_types else 1, ntypes=ntypes)
    own, arrays = _statistics(node, section, variables)
    node.finish()
    rules = []
    for k, layers in enumerate(nets):
        if not (mixed_types or chosen is None or k in chosen):
            continue
        if layers is None:
            node.fail(f"{node.path}/nets has no net {k}")
        suffix = "" if mixed_types else f"_type_{k}"
        rules.append(_residual_rule(node, layers))
        arrays |= _weights(node, layers, suffix, section["activation_function"])
    return own, arrays, one_of(node, "residual connections", rules)


def write_tree_of(
    section: FittingConfig,
    config: ModelConfig,
    arrays: Mapping[str, np.ndarray],
    *,
    version: int,
    variables: Mapping[str, np.ndarray],
    chosen: Sequence[int] | None = None,
    **keys: Any,
) -> dict[str, Any]:
    """A fitting as a tree.

    Args:
        section: Its section.
        config: The section ``model``.
        arrays: The weights of the model by name.
        version: Of the tree.
        variables: The arrays of its kind.
        chosen: Types that have nets; None for all.
        **keys: The keys of its kind.
    """
    ntypes, mixed_types = len(config.type_map), config.descriptor.mixed_types
    count = len(section.neuron) + 1
    trainable = section.trainable
    trained = [trainable] * count if isinstance(trainable, bool) else list(trainable)
    # Results of the nets of excluded types are set to zero, whatever they are.
    of_types = [k if chosen is None or k in chosen else chosen[0] for k in range(ntypes)]
    nets = [
        write_net(_layers(config, arrays, suffix, trained), _KIND, resnet_dt=section.resnet_dt)
        for suffix in ([""] if mixed_types else [f"_type_{k}" for k in of_types])
    ]
    parameters = {
        f"{kind}_{there}": arrays.get(f"fitting_attr/t_{kind}_{here}")
        for kind in ("fparam", "aparam")
        for there, here in _STATISTICS.items()
    }
    default = section.default_fparam
    others = section.numb_fparam + section.numb_aparam + section.dim_case_embd
    return {
        "@class": "Fitting",
        "@version": version,
        "type": section.type,
        "ntypes": ntypes,
        "dim_descrpt": nets[0]["in_dim"] - others,
        "neuron": list(section.neuron),
        "resnet_dt": section.resnet_dt,
        "numb_fparam": section.numb_fparam,
        "numb_aparam": section.numb_aparam,
        "dim_case_embd": section.dim_case_embd,
        "default_fparam": None if default is None else list(default),
        "activation_function": section.activation_function,
        "precision": nets[0]["precision"],
        "mixed_types": mixed_types,
        "exclude_types": [] if chosen is None else [k for k in range(ntypes) if k not in chosen],
        "type_map": list(config.type_map),
        "tot_ener_zero": False,
        "trainable": trained,
        "layer_name": None,
        "use_aparam_as_mask": False,
        "spin": None,
        **keys,
        "nets": write_nets(nets, _KIND, ndim=0 if mixed_types else 1, ntypes=ntypes),
        "@variables": {**variables, "case_embd": arrays.get(CASE), **parameters},
    }


def _statistics(
    node: Node, section: Mapping[str, Any], variables: Mapping[str, Shape]
) -> tuple[list[np.ndarray | None], Arrays]:
    """The arrays of the kind, and those that all kinds have by name."""
    widths = {"fparam": section["numb_fparam"], "aparam": section["numb_aparam"]}
    shapes: dict[str, Shape] = {**variables, "case_embd": (section["dim_case_embd"],)}
    names = []
    for kind, width in widths.items():
        for there, here in _STATISTICS.items():
            shapes[f"{kind}_{there}"] = (width,)
            names.append(f"fitting_attr/t_{kind}_{here}")
    shapes["default_fparam_tensor"] = (section["numb_fparam"],)
    found = node.arrays(shapes)
    own, (case, *parameters, default) = found[: len(variables)], found[len(variables) :]
    if default is not None and default.tolist() != section["default_fparam"]:
        node.fail(f"{node.path}/@variables/default_fparam_tensor contradicts default_fparam")
    if "bias_atom_e" in variables and own[list(variables).index("bias_atom_e")] is None:
        node.fail(f"{node.path}/@variables lacks bias_atom_e")
    if section["dim_case_embd"]:
        if case is None:
            node.fail(f"{node.path}/@variables lacks case_embd, though dim_case_embd is not 0")
        names.append(CASE)
        parameters.append(case)
    pairs = zip(names, parameters, strict=True)
    return own, {name: array for name, array in pairs if array is not None}


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
