"""The descriptor ``se_e2_a`` in a tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deepattn.config import ModelConfig
from deepattn.descriptors.one_matrix.pair_trees import read_pair_nets, write_pair_nets
from deepattn.descriptors.se_e2_a.config import SeE2AConfig
from deepattn.trees.embedding import Arrays
from deepattn.trees.environment import read_environment, write_environment
from deepattn.trees.nets import Layer
from deepattn.trees.node import Node
from deepattn.trees.part import DescriptorFormat


def read_se_e2_a(node: Node, type_map: Sequence[str]) -> tuple[dict[str, Any], Arrays]:
    """A descriptor as the model section ``descriptor``, and its weights."""
    node.version("Descriptor", 1, 2, 3)
    ntypes = len(type_map)
    section, arrays = read_environment(node, type_map)
    node.only("ntypes", ntypes, reason=f"the model has {ntypes} types")
    node.ignore("type")
    nets, excluded = read_pair_nets(node, section, ntypes=ntypes)
    node.finish()
    if np.any(arrays["descrpt_attr/t_avg"]):
        for index, layers in excluded.items():
            if not _is_nothing(layers):
                node.fail(
                    f"{node.path}/embeddings/networks/{index} is the net of a pair of "
                    "exclude_types, which DeePMD-kit counts for missing neighbors as davg is not "
                    "zero; set its weights to zero"
                )
    return {"descriptor": {**section, "type": "se_e2_a"}}, {**arrays, **nets}


def write_se_e2_a(
    section: SeE2AConfig, config: ModelConfig, arrays: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """Section and weights as a descriptor."""
    nets, precision = write_pair_nets(section, arrays, ntypes=len(config.type_map))
    return {
        "@class": "Descriptor",
        "type": "se_e2_a",
        "@version": 2,
        **write_environment(section, config.type_map, arrays, precision),
        "spin": None,
        "embeddings": nets,
    }


def _is_nothing(layers: Sequence[Layer]) -> bool:
    """Whether the output of a net is always zero."""
    return all(
        not np.any(layer.matrix)
        and (layer.bias is None or not np.any(layer.bias))
        and not layer.copies * (k == 0)
        and layer.activation not in ("sigmoid", "softplus")
        for k, layer in enumerate(layers)
    )


FORMAT = DescriptorFormat(("se_e2_a",), read_se_e2_a, write_se_e2_a)
