"""The descriptor ``se_e3_tebd`` in a tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deepattn.config import ModelConfig
from deepattn.descriptors.se_e3_tebd.config import SeE3TebdConfig
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


def read_se_e3_tebd(node: Node, type_map: Sequence[str]) -> tuple[dict[str, Any], Arrays]:
    """A descriptor as model sections ``descriptor`` and ``type_embedding``, and its weights."""
    node.version("Descriptor", 1, 2)
    ntypes = len(type_map)
    section, arrays = read_environment(node, type_map, keys=())
    section |= {
        "type": "se_e3_tebd",
        "sel": sum(section["sel"]),
        "tebd_input_mode": node.get("tebd_input_mode", str),
        "smooth": node.get("smooth", bool),
        "concat_output_tebd": node.get("concat_output_tebd", bool),
    }
    node.only("ntypes", ntypes, reason=f"the model has {ntypes} types")
    # The type embedding has these too.
    node.ignore("type", "tebd_dim", "use_econf_tebd", "use_tebd_bias")
    strip = section["tebd_input_mode"] == "strip"
    arrays |= read_shared_nets(node, section, strip=strip, ntypes=ntypes)
    embedding, vectors = read_type_embedding(node.child("type_embedding"), type_map)
    node.finish()
    return {"descriptor": section, "type_embedding": embedding}, {**arrays, **vectors}


def write_se_e3_tebd(
    section: SeE3TebdConfig, config: ModelConfig, arrays: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """Sections and weights as a descriptor."""
    embedding, ntypes = config.type_embedding, len(config.type_map)
    if embedding is None:
        raise ValueError("se_e3_tebd needs a type embedding")
    precision = arrays[f"{SHARED}/matrix_1"].dtype.name
    tree = {
        "@class": "Descriptor",
        "type": "se_e3_tebd",
        "@version": 1,
        **write_environment(section, config.type_map, arrays, precision, keys=()),
        "ntypes": ntypes,
        "tebd_dim": embedding.neuron[-1],
        "tebd_input_mode": section.tebd_input_mode,
        "smooth": section.smooth,
        "concat_output_tebd": section.concat_output_tebd,
        "use_econf_tebd": embedding.use_econf_tebd,
        "use_tebd_bias": embedding.use_tebd_bias,
        "type_embedding": write_type_embedding(embedding, config.type_map, arrays),
    }
    tree |= write_shared_nets(section, arrays, ntypes=ntypes)
    return tree


FORMAT = DescriptorFormat(("se_e3_tebd",), read_se_e3_tebd, write_se_e3_tebd)
