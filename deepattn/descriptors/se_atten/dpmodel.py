"""The descriptor ``dpa1`` (``se_atten``, ``se_atten_v2``) in a tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deepattn.config import ModelConfig
from deepattn.descriptors.se_atten.config import SeAttenConfig
from deepattn.descriptors.se_atten.dpmodel_attention import read_attention, write_attention
from deepattn.trees.embedding import (
    SHARED,
    Arrays,
    read_shared_nets,
    read_type_embedding,
    write_shared_nets,
    write_type_embedding,
)
from deepattn.trees.environment import read_environment, write_environment
from deepattn.trees.node import Node
from deepattn.trees.part import DescriptorFormat


def read_dpa1(node: Node, type_map: Sequence[str]) -> tuple[dict[str, Any], Arrays]:
    """A descriptor as model sections ``descriptor`` and ``type_embedding``, and its weights."""
    node.version("Descriptor", 1, 2, 3, 4)
    ntypes = len(type_map)
    section, arrays = read_environment(node, type_map)
    if node.get("type", str) == "se_atten_v2":
        section |= {"tebd_input_mode": "strip", "smooth_type_embedding": True}
    else:
        section |= {
            "tebd_input_mode": node.get("tebd_input_mode", str),
            "smooth_type_embedding": node.get("smooth_type_embedding", bool),
        }
    section |= {
        "type": "se_atten",
        "sel": sum(section["sel"]),
        "attn": node.get("attn", int),
        "attn_layer": node.get("attn_layer", int),
        "attn_dotr": node.get("attn_dotr", bool),
        "trainable_ln": node.get("trainable_ln", bool),
        "ln_eps": node.get("ln_eps", (float, type(None))),
        "concat_output_tebd": node.get("concat_output_tebd", bool),
    }
    node.only("ntypes", ntypes, reason=f"the model has {ntypes} types")
    node.only("lmax", 1, reason="higher moments are not supported")
    node.only("attn_mask", False, reason="DeePMD-kit's backends do not agree on what it does")
    # The attention's layers and the type embedding have these too.
    node.ignore("scaling_factor", "normalize", "temperature")
    node.ignore("tebd_dim", "use_econf_tebd", "use_tebd_bias")
    strip = section["tebd_input_mode"] == "strip"
    arrays |= read_shared_nets(node, section, strip=strip, ntypes=ntypes)
    attention, weights = read_attention(node.child("attention_layers"), section)
    embedding, vectors = read_type_embedding(node.child("type_embedding"), type_map)
    node.finish()
    sections = {"descriptor": {**section, **attention}, "type_embedding": embedding}
    return sections, {**arrays, **weights, **vectors}


def write_dpa1(
    section: SeAttenConfig, config: ModelConfig, arrays: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """Sections and weights as a descriptor."""
    embedding, ntypes = config.type_embedding, len(config.type_map)
    if embedding is None:
        raise ValueError(f"{section.type} needs a type embedding")
    precision = arrays[f"{SHARED}/matrix_1"].dtype.name
    # Without attention it means nothing, and DeePMD-kit's TensorFlow backend wants none.
    temperature = section.temperature if section.attn_layer else None
    tree = {
        "@class": "Descriptor",
        "type": "dpa1",
        "@version": 2,
        **write_environment(section, config.type_map, arrays, precision),
        "spin": None,
        "ntypes": ntypes,
        "tebd_dim": embedding.neuron[-1],
        "tebd_input_mode": section.tebd_input_mode,
        "smooth_type_embedding": section.smooth_type_embedding,
        "attn": section.attn,
        "attn_layer": section.attn_layer,
        "attn_dotr": section.attn_dotr,
        "attn_mask": False,
        "scaling_factor": 1.0,
        "normalize": section.normalize,
        "temperature": temperature,
        "trainable_ln": section.trainable_ln,
        "ln_eps": section.ln_eps,
        "concat_output_tebd": section.concat_output_tebd,
        "use_econf_tebd": embedding.use_econf_tebd,
        "use_tebd_bias": embedding.use_tebd_bias,
    }
    tree |= write_shared_nets(section, arrays, ntypes=ntypes)
    tree["attention_layers"] = write_attention(section, arrays, precision, temperature)
    tree["type_embedding"] = write_type_embedding(embedding, config.type_map, arrays)
    return tree


FORMAT = DescriptorFormat(("dpa1", "se_atten_v2"), read_dpa1, write_dpa1)
