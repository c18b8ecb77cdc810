"""The descriptor ``dpa2`` in a tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from deepattn.config import ModelConfig, normalize_model
from deepattn.descriptors.dpa2.config import Dpa2Config, RepformerConfig, RepInitConfig
from deepattn.descriptors.dpa2.dpmodel.repformer import read_repformer, write_repformer
from deepattn.descriptors.dpa2.dpmodel.repinit import initial_blocks, read_initial, write_initial
from deepattn.errors import ConfigError
from deepattn.trees.by_path import read_linear, write_linear
from deepattn.trees.embedding import Arrays, read_type_embedding, write_type_embedding
from deepattn.trees.nets import activation_name
from deepattn.trees.node import Node
from deepattn.trees.part import DescriptorFormat

_OWN = (
    *("concat_output_tebd", "precision", "smooth", "exclude_types", "env_protection"),
    *("trainable", "add_tebd_to_repinit_out"),
)
# Sections of an input, and what they are called in a tree.
ARGUMENTS = {"repinit": "repinit_args", "repformer": "repformer_args"}
_KEYS = {
    name: tuple(field.name for field in fields(section))
    for name, section in (("repinit", RepInitConfig), ("repformer", RepformerConfig))
}
# Options that files before version 3 lack; they were off.
_LATER = {"use_sqrt_nnei": False, "g1_out_conv": False, "g1_out_mlp": False}
# DeePMD-kit spells it so.
_SHAPE, _TEBD = "g1_shape_tranform", "tebd_transform"


def read_dpa2(node: Node, type_map: Sequence[str]) -> tuple[dict[str, Any], Arrays]:
    """A descriptor as the model section ``descriptor``, and its weights."""
    node.version("Descriptor", 1, 2, 3, 4)
    ntypes = len(type_map)
    node.only("ntypes", ntypes, reason=f"the model has {ntypes} types")
    node.only("type_map", list(type_map), reason="it is not the model's")
    embedding, arrays = read_type_embedding(node.child("type_embedding"), type_map)
    if embedding["activation_function"] != "linear":
        node.fail(f"{node.path}/type_embedding is not linear, which is not supported")
    # The type embedding has these too.
    node.ignore("type", "use_econf_tebd", "use_tebd_bias")
    section = _read_section(node, embedding, type_map)
    node.computes_in(section["precision"])
    config = Dpa2Config.from_dict(section)
    for key, block in initial_blocks(config).items():
        arrays |= read_initial(node.child(key), block, config, ntypes)
    arrays |= read_repformer(node.child("repformers_variable"), config, ntypes)
    shape = node.child(_SHAPE)
    if _has_shape_transform(config):
        arrays |= read_linear(shape)
    else:
        shape.version("Identity", 1).finish()
    if config.add_tebd_to_repinit_out:
        arrays |= read_linear(node.child(_TEBD))
    node.finish()
    return {"descriptor": section}, arrays


def write_dpa2(
    section: Dpa2Config, config: ModelConfig, arrays: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """Section and weights as a descriptor."""
    ntypes, trainable = len(config.type_map), section.trainable
    keys = section.to_dict()
    embedding = write_type_embedding(section.type_embedding, config.type_map, arrays)
    tree = {
        "@class": "Descriptor",
        "type": "dpa2",
        "@version": 3,
        "ntypes": ntypes,
        "type_map": list(config.type_map),
        **{there: keys[here] for here, there in ARGUMENTS.items()},
        **{key: keys[key] for key in _OWN},
        "precision": embedding["precision"],
        "use_econf_tebd": section.use_econf_tebd,
        "use_tebd_bias": section.use_tebd_bias,
        "type_embedding": embedding,
        _SHAPE: {"@class": "Identity", "@version": 1},
    }
    if _has_shape_transform(section):
        tree[_SHAPE] = write_linear(arrays, f"descriptor/{_SHAPE}", trainable=trainable)
    if section.add_tebd_to_repinit_out:
        tree[_TEBD] = write_linear(arrays, f"descriptor/{_TEBD}", trainable=trainable)
    for key, block in initial_blocks(section).items():
        tree[key] = write_initial(arrays, f"descriptor/{key}", block, section, ntypes)
    path = "descriptor/repformers_variable"
    return {**tree, "repformers_variable": write_repformer(arrays, path, section, ntypes)}


def _read_section(
    node: Node, embedding: Mapping[str, Any], type_map: Sequence[str]
) -> dict[str, Any]:
    """The section of an input, complete."""
    section = {"type": "dpa2", **node.values(_OWN)}
    for here, there in ARGUMENTS.items():
        arguments = node.child(there)
        section[here] = arguments.values(_KEYS[here])
        function = arguments.get("activation_function", str, "tanh")
        section[here]["activation_function"] = activation_name(function)
        arguments.finish()
    if node.before(3):
        section["repformer"] |= _LATER
    section |= {key: embedding[key] for key in ("use_econf_tebd", "use_tebd_bias")}
    model = {"type_map": list(type_map), "descriptor": section, "fitting_net": {}}
    try:
        return normalize_model(model)["descriptor"]
    except ConfigError as error:
        node.fail(str(error))


def _has_shape_transform(section: Dpa2Config) -> bool:
    repinit = section.repinit
    width = repinit.neuron[-1] * repinit.axis_neuron
    if repinit.use_three_body:
        width += repinit.three_body_neuron[-1]
    return width != section.repformer.g1_dim


FORMAT = DescriptorFormat(("dpa2",), read_dpa2, write_dpa2, arguments=ARGUMENTS)
