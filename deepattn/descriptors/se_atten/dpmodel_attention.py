"""Layers of gated attention in a tree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from deepattn.descriptors.se_atten.config import SeAttenConfig
from deepattn.trees.embedding import Arrays
from deepattn.trees.layer_norm import read_norm, write_norm
from deepattn.trees.nets import Layer, one_of, read_layer, write_layer
from deepattn.trees.node import Node

_PARTS = ("c_query", "c_key", "c_value")


def read_attention(node: Node, section: Mapping[str, Any]) -> tuple[dict[str, Any], Arrays]:
    """A ``NeighborGatedAttention``.

    Args:
        node: It.
        section: Its settings, from the descriptor.

    Returns:
        Keys of the descriptor's section that the layers decide, and their weights by name.
    """
    node.version("NeighborGatedAttention", 1)
    node.only("layer_num", section["attn_layer"], reason="attn_layer says how many there are")
    # Of these the innermost count.
    node.ignore("nnei", "embed_dim", "hidden_dim", "dotr", "do_mask", "precision")
    node.ignore("scaling_factor", "normalize", "temperature", "trainable_ln", "ln_eps")
    layers = [child for child in node.children("attention_layers") if child is not None]
    node.finish()
    if len(layers) != section["attn_layer"]:
        node.fail(f"{node.path} has {len(layers)} layers, not attn_layer {section['attn_layer']}")
    if not layers:
        return {}, {}
    found: list[dict[str, Any]] = []
    arrays: Arrays = {}
    for k, layer in enumerate(layers):
        options, weights = _read_layer(layer)
        found.append(options)
        arrays |= {f"attention_layer_{k}/{name}": array for name, array in weights.items()}
    options = {key: one_of(node, key, [one[key] for one in found]) for key in found[0]}
    if options.pop("smooth") != section["smooth_type_embedding"]:
        node.fail(
            f"{node.path} has a value of smooth that contradicts smooth_type_embedding, which is "
            "not supported"
        )
    return options, arrays


def _read_layer(node: Node) -> tuple[dict[str, Any], Arrays]:
    node.ignore("nnei", "embed_dim", "hidden_dim", "dotr", "do_mask", "precision")
    node.ignore("scaling_factor", "normalize", "temperature", "trainable_ln", "ln_eps")
    inner, norm = node.child("attention_layer"), node.child("attn_layer_norm")
    node.finish()
    scale, shift, ln_options = read_norm(norm)
    options = {
        "attn": inner.get("hidden_dim", int),
        "attn_dotr": inner.get("dotr", bool),
        "smooth": inner.get("smooth", bool),
        "temperature": _temperature(inner),
        "normalize": inner.get("normalize", bool),
        **ln_options,
    }
    inner.only("num_heads", 1, reason="attention has one head")
    inner.only("do_mask", False, reason="DeePMD-kit's backends do not agree on what it does")
    inner.only("bias", True, reason="the attention's layers have a bias")
    inner.ignore("nnei", "embed_dim", "precision")
    weights = {"layer_normalization/gamma": scale, "layer_normalization/beta": shift}
    into, out = read_layer(inner.child("in_proj")), read_layer(inner.child("out_proj"))
    inner.finish()
    if into.bias is None or out.bias is None or into.matrix.shape[1] != 3 * options["attn"]:
        inner.fail(f"{inner.path} has projections without bias, or not of width hidden_dim")
    for part, matrix, bias in zip(
        _PARTS, np.split(into.matrix, 3, axis=1), np.split(into.bias, 3), strict=True
    ):
        weights |= {f"{part}/matrix": matrix, f"{part}/bias": bias}
    return options, {**weights, "c_out/matrix": out.matrix, "c_out/bias": out.bias}


def _temperature(node: Node) -> float:
    """The factor of the scores."""
    factor = node.get("scaling_factor", float)
    temperature = node.get("temperature", (float, type(None)))
    if temperature is not None:
        return temperature
    if not factor > 0:
        node.fail(f"{node.path}/scaling_factor is {factor}; it must be positive")
    return (node.get("hidden_dim", int) * factor) ** -0.5


def write_attention(
    section: SeAttenConfig,
    arrays: Mapping[str, np.ndarray],
    precision: str,
    temperature: float | None,
) -> dict[str, Any]:
    """The layers of a descriptor as a ``NeighborGatedAttention``."""
    shared = {
        "nnei": section.sel,
        "embed_dim": section.neuron[-1],
        "hidden_dim": section.attn,
        "dotr": section.attn_dotr,
        "do_mask": False,
        "scaling_factor": 1.0,
        "normalize": section.normalize,
        "temperature": temperature,
        "precision": precision,
    }
    norm: dict[str, Any] = {"trainable_ln": section.trainable_ln, "ln_eps": section.ln_eps}
    layers = []
    for k in range(section.attn_layer):
        name = f"attention_layer_{k}"
        layers.append(
            {
                **shared,
                **norm,
                "attention_layer": {
                    **shared,
                    "num_heads": 1,
                    "bias": True,
                    "smooth": section.smooth_type_embedding,
                    "in_proj": _write_projection(arrays, name, _PARTS, section.trainable),
                    "out_proj": _write_projection(arrays, name, ("c_out",), section.trainable),
                },
                "attn_layer_norm": write_norm(
                    *(arrays[f"{name}/layer_normalization/{part}"] for part in ("gamma", "beta")),
                    **norm,
                ),
            }
        )
    return {
        "@class": "NeighborGatedAttention",
        "@version": 1,
        "layer_num": section.attn_layer,
        **shared,
        **norm,
        "attention_layers": layers,
    }


def _write_projection(
    arrays: Mapping[str, np.ndarray], name: str, parts: tuple[str, ...], trainable: bool
) -> dict[str, Any]:
    matrix = np.concatenate([arrays[f"{name}/{part}/matrix"] for part in parts], axis=1)
    bias = np.concatenate([arrays[f"{name}/{part}/bias"] for part in parts])
    return write_layer(Layer(matrix, bias, None, "linear", trainable=trainable), activation="none")
