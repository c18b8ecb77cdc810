"""The descriptor ``dpa2`` in PyTorch's files."""

from __future__ import annotations

from typing import Any, cast

from deepattn.config import ModelConfig
from deepattn.descriptors.dpa2.config import Dpa2Config
from deepattn.states.descriptors import IGNORED, TYPE_EMBEDDING, tables, tree_net
from deepattn.states.part import StateFormat
from deepattn.states.rules import Rule
from deepattn.trees.nets import activation_name
from deepattn.trees.node import Node

_BLOCKS = {
    "repinit": "repinit_variable",
    "repinit_three_body": "repinit_three_body_variable",
    "repformers": "repformers_variable",
}
_LAYER = "descriptor.repformers.layers.{k}"
_OUR_LAYER = "descriptor/repformers_variable/repformer_layers/{k}"
_MAPS = ("g1_shape_tranform", "tebd_transform")  # DeePMD-kit spells it so
# What models before version 3 do not say, and did not do.
_LATER = ("use_sqrt_nnei", "g1_out_conv", "g1_out_mlp")


def _rules() -> list[Rule]:
    found = [TYPE_EMBEDDING]
    for theirs, ours in _BLOCKS.items():
        for there, here in (("mean", "davg"), ("stddev", "dstd")):
            found.append(Rule(f"descriptor.{theirs}.{there}", (f"descriptor/{ours}/{here}",)))
        if theirs != "repformers":
            for there, here in (
                ("filter_layers", "embeddings"),
                ("filter_layers_strip", "embeddings_strip"),
            ):
                found += tree_net(f"descriptor.{theirs}.{there}", f"descriptor/{ours}/{here}")
    for name in _MAPS:
        found.append(Rule(f"descriptor.{name}.{{part}}", (f"descriptor/{name}/{{leaf}}",)))
    found.append(
        Rule(
            "descriptor.repformers.g2_embd.{part}",
            ("descriptor/repformers_variable/g2_embd/{leaf}",),
        )
    )
    for name in ("g1_residual", "g2_residual", "h2_residual"):
        found.append(Rule(f"{_LAYER}.{name}.{{j}}", (f"{_OUR_LAYER}/{name}/{{j}}",)))
    found.append(Rule(f"{_LAYER}.{{map}}.{{part}}", (f"{_OUR_LAYER}/{{map}}/{{leaf}}",)))
    # Maps within an attention.
    for name in ("attn2g_map", "attn2_mh_apply", "attn2_ev_apply", "loc_attn"):
        found.append(
            Rule(f"{_LAYER}.{name}.{{map}}.{{part}}", (f"{_OUR_LAYER}/{name}/{{map}}/{{leaf}}",))
        )
    return found


_RULES = _rules()


def read(node: Node) -> dict[str, Any]:
    """The model section ``descriptor``; its keys are checked as those of an input."""
    section = node.rest("seed", "ntypes", "type_map")
    section["type"] = "dpa2"
    for name in ("repinit", "repformer"):
        block = section.get(name)
        if not isinstance(block, dict):
            node.fail(f"{node.path} lacks the section {name}")
        section[name] = block = dict(block)
        function = block.get("activation_function", "tanh")
        if isinstance(function, str):
            block["activation_function"] = activation_name(function)
    if not set(_LATER) & set(section["repformer"]):
        section["repformer"] |= dict.fromkeys(_LATER, False)
    section.setdefault("use_tebd_bias", False)
    return {"descriptor": section}


def rules(model: ModelConfig) -> list[Rule]:
    """Names of all weights."""
    return _RULES


def empty(model: ModelConfig) -> list[str]:
    """Names of tensors without numbers."""
    descriptor = cast(Dpa2Config, model.descriptor)
    blocks = ["repinit", *(["repinit_three_body"] if descriptor.repinit.use_three_body else [])]
    modules = [f"descriptor.{block}" for block in blocks]
    return [name for one in modules for name in (*tables(one), f"{one}.type_embd_data")]


FORMAT = StateFormat(("dpa2",), read, rules, ignored=IGNORED, empty=empty)
