"""A layer of the repformer in a tree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from deepattn.descriptors.dpa2.config import Dpa2Config
from deepattn.trees.by_path import path_of, read_linear, write_linear
from deepattn.trees.embedding import Arrays
from deepattn.trees.layer_norm import read_norm, write_norm
from deepattn.trees.nets import activation_name
from deepattn.trees.node import Node

_NORM = "attn2_lm"
_RESIDUALS = ("g1_residual", "g2_residual", "h2_residual")
# Keys of inputs only, of the block itself, or that differ between layers.
_NOT_OF_LAYERS = ("nsel", "nlayers", "direct_dist", "set_davg_zero")
_INITIAL = ("update_residual", "update_residual_init")
# Keys that layers of version 1 lack.
_LATER = ("use_sqrt_nnei", "g1_out_conv", "g1_out_mlp")
_OF_PAIRS = ("update_g2_has_g1g1", "update_g2_has_attn", "update_h2")


class _Part(NamedTuple):
    """A piece of a layer with linear maps in it: its class, its own keys, the maps' names."""

    kind: str
    options: dict[str, Any]
    maps: tuple[str, ...]


def read_repformer_layer(node: Node, section: Dpa2Config, *, last: bool) -> Arrays:
    """The weights of a layer.

    Args:
        node: It.
        section: Settings of all layers, from the descriptor.
        last: Whether it is the last one, which leaves pairs as they are.
    """
    node.version("RepformerLayer", 1, 2)
    options = _options(section, last=last)
    for key in _LATER:
        if key not in node and options[key]:
            node.fail(f"{node.path} lacks the key {key!r}")
    function = activation_name(node.get("activation_function", str, "tanh"))
    if function != options.pop("activation_function"):
        node.fail(f"{node.path} has an activation_function that differs from the descriptor's")
    _expect(node, options)
    node.ignore("rcut", "rcut_smth", "sel", "ntypes", "precision", *_INITIAL)
    arrays: Arrays = {}
    for name in _linear(options):
        arrays |= read_linear(node.child(name))
    for name, part in _parts(options).items():
        child = node.child(name).version(part.kind, 1)
        _expect(child, part.options)
        child.ignore("precision")
        for key in part.maps:
            arrays |= read_linear(child.child(key))
        child.finish()
    if options["update_g2_has_attn"]:
        child = node.child(_NORM)
        scale, shift, found = read_norm(child)
        if found["ln_eps"] != options["ln_eps"]:
            node.fail(f"{child.path} has an ln_eps that differs from the descriptor's")
        arrays |= {f"{path_of(child)}/w": scale, f"{path_of(child)}/b": shift}
    arrays |= _read_residuals(node)
    node.finish()
    return arrays


def write_repformer_layer(
    arrays: Mapping[str, np.ndarray], path: str, section: Dpa2Config, ntypes: int, *, last: bool
) -> dict[str, Any]:
    """The weights below a path as a layer."""
    options, repformer = _options(section, last=last), section.repformer
    precision = arrays[f"{path}/linear1/w"].dtype.name
    tree = {
        "@class": "RepformerLayer",
        "@version": 2,
        "rcut": repformer.rcut,
        "rcut_smth": repformer.rcut_smth,
        "sel": [repformer.nsel],
        "ntypes": ntypes,
        "precision": precision,
        **options,
    }
    for name in _linear(options):
        tree[name] = write_linear(arrays, f"{path}/{name}", trainable=section.trainable)
    for name, part in _parts(options).items():
        tree[name] = {
            "@class": part.kind,
            "@version": 1,
            "precision": precision,
            **part.options,
            **{
                key: write_linear(arrays, f"{path}/{name}/{key}", trainable=section.trainable)
                for key in part.maps
            },
        }
    if options["update_g2_has_attn"]:
        tree[_NORM] = write_norm(
            arrays[f"{path}/{_NORM}/w"],
            arrays[f"{path}/{_NORM}/b"],
            ln_eps=options["ln_eps"],
            trainable_ln=options["trainable_ln"],
        )
    if options["update_style"] == "res_residual":
        tree["@variables"] = {name: _residuals(arrays, f"{path}/{name}") for name in _RESIDUALS}
    return tree


def _options(section: Dpa2Config, *, last: bool) -> dict[str, Any]:
    """The keys of a layer that change its numbers."""
    keys = section.repformer.to_dict()
    options = {
        key: value
        for key, value in keys.items()
        if key not in ("rcut", "rcut_smth", *_NOT_OF_LAYERS, *_INITIAL)
    }
    options |= {"smooth": section.smooth, "update_chnnl_2": not last}
    return options | (dict.fromkeys(_OF_PAIRS, False) if last else {})


def _linear(options: Mapping[str, Any]) -> list[str]:
    """Names of the linear maps of a layer."""
    wanted = {
        "linear1": True,
        "linear2": options["update_chnnl_2"],
        "g1_self_mlp": options["g1_out_mlp"],
        "proj_g1g2": options["update_g1_has_conv"],
        "proj_g1g1g2": options["update_g2_has_g1g1"],
    }
    return [name for name, there in wanted.items() if there]


def _parts(options: Mapping[str, Any]) -> dict[str, _Part]:
    """The attentions of a layer by name."""
    shift = {"smooth": options["smooth"], "attnw_shift": 20.0}
    pair = {"input_dim": options["g2_dim"], "head_num": options["attn2_nhead"]}
    parts = {}
    if options["update_g2_has_attn"] or options["update_h2"]:
        own = {"hidden_dim": options["attn2_hidden"], "has_gate": options["attn2_has_gate"]}
        parts["attn2g_map"] = _Part("Atten2Map", {**pair, **own, **shift}, ("mapqk",))
    if options["update_g2_has_attn"]:
        parts["attn2_mh_apply"] = _Part("Atten2MultiHeadApply", pair, ("mapv", "head_map"))
    if options["update_h2"]:
        parts["attn2_ev_apply"] = _Part("Atten2EquiVarApply", pair, ("head_map",))
    if options["update_g1_has_attn"]:
        own = {
            "input_dim": options["g1_dim"],
            "hidden_dim": options["attn1_hidden"],
            "head_num": options["attn1_nhead"],
        }
        parts["loc_attn"] = _Part("LocalAtten", {**own, **shift}, ("mapq", "mapkv", "head_map"))
    return parts


def _expect(node: Node, options: Mapping[str, Any]) -> None:
    for key, value in options.items():
        node.only(key, value, reason=f"the descriptor has {value!r}")


def _read_residuals(node: Node) -> Arrays:
    """The vectors that terms are multiplied by; other styles have none, or empty lists."""
    for name in _RESIDUALS:
        # Where version 1 has them.
        node.only(name, [], reason="arrays must be below @variables")
    if "@variables" not in node:
        return {}
    variables, arrays = node.child("@variables"), {}
    for name in _RESIDUALS:
        for k, array in enumerate(variables.get(name, list, [])):
            arrays[f"{path_of(node)}/{name}/{k}"] = array
    variables.finish()
    return arrays


def _residuals(arrays: Mapping[str, np.ndarray], path: str) -> list[np.ndarray]:
    count = sum(name.startswith(f"{path}/") for name in arrays)
    return [arrays[f"{path}/{k}"] for k in range(count)]
