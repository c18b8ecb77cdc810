"""The descriptor ``dpa1`` (``se_atten``, ``se_atten_v2``) in PyTorch's files."""

from __future__ import annotations

from typing import Any

from deepattn.config import ModelConfig
from deepattn.states.descriptors import (
    IGNORED,
    TYPE_EMBEDDING,
    graph_net,
    read_section,
    read_type_embedding,
    statistics,
    tables,
)
from deepattn.states.part import StateFormat
from deepattn.states.rules import THIRDS, Rule
from deepattn.trees.node import Node

_LAYER = "descriptor.se_atten.dpa1_attention.attention_layers.{k}"
_ATTENTION = [
    Rule(
        f"{_LAYER}.attention_layer.in_proj.{{part}}",
        tuple(f"attention_layer_{{k}}/{name}/{{part}}" for name in ("c_query", "c_key", "c_value")),
        THIRDS,
    ),
    Rule(f"{_LAYER}.attention_layer.out_proj.{{part}}", ("attention_layer_{k}/c_out/{part}",)),
    Rule(f"{_LAYER}.attn_layer_norm.matrix", ("attention_layer_{k}/layer_normalization/gamma",)),
    Rule(f"{_LAYER}.attn_layer_norm.bias", ("attention_layer_{k}/layer_normalization/beta",)),
]
_RULES = [
    TYPE_EMBEDDING,
    *statistics("descriptor.se_atten"),
    *graph_net("descriptor.se_atten.filter_layers.networks.0", "filter_type_all"),
    *graph_net(
        "descriptor.se_atten.filter_layers_strip.networks.0", "filter_type_all", "_two_side_ebd"
    ),
    *_ATTENTION,
]


def read(node: Node) -> dict[str, Any]:
    """The model sections ``descriptor`` and ``type_embedding``."""
    is_v2 = node.get("type", str) == "se_atten_v2"
    section = read_section(node)
    sel = section["sel"]
    section |= {
        "type": "se_atten",
        "sel": sum(sel) if isinstance(sel, list) else sel,
        "axis_neuron": node.get("axis_neuron", int, 16),
        "type_one_side": node.get("type_one_side", bool, False),
        "attn": node.get("attn", int, 128),
        "attn_layer": node.get("attn_layer", int, 2),
        "attn_dotr": node.get("attn_dotr", bool, True),
        "trainable_ln": node.get("trainable_ln", bool, True),
        "ln_eps": node.get("ln_eps", (float, type(None)), None),
        "set_davg_zero": node.get("set_davg_zero", bool, True),
        "tebd_input_mode": "strip" if is_v2 else node.get("tebd_input_mode", str, "concat"),
        "smooth_type_embedding": is_v2 or node.get("smooth_type_embedding", bool, True),
        "concat_output_tebd": node.get("concat_output_tebd", bool, True),
        "normalize": node.get("normalize", bool, True),
    }
    if not is_v2 and node.get("stripped_type_embedding", (bool, type(None)), None) is not None:
        stripped = node.get("stripped_type_embedding", bool)
        section["tebd_input_mode"] = "strip" if stripped else "concat"
    if section["attn_layer"]:
        section["temperature"] = _temperature(node, section["attn"])
    node.only("lmax", 1, reason="higher moments are not supported")
    node.only("attn_mask", False, reason="DeePMD-kit's backends do not agree on what it does")
    embedding = read_type_embedding(node, section)
    node.ignore("scaling_factor", "temperature")
    node.finish()
    return {"descriptor": section, "type_embedding": embedding}


def _temperature(node: Node, width: int) -> float:
    """The factor of the attention's scores."""
    temperature = node.get("temperature", (float, type(None)), None)
    factor = node.get("scaling_factor", float, 1.0)
    if temperature is not None:
        return temperature
    if not factor > 0:
        node.fail(f"{node.path}/scaling_factor is {factor}; it must be positive")
    return (width * factor) ** -0.5


def rules(model: ModelConfig) -> list[Rule]:
    """Names of all weights."""
    return _RULES


def empty(model: ModelConfig) -> list[str]:
    """Names of tensors without numbers."""
    return [*tables("descriptor.se_atten"), "descriptor.se_atten.type_embd_data"]


FORMAT = StateFormat(("dpa1", "se_atten", "se_atten_v2"), read, rules, ignored=IGNORED, empty=empty)
