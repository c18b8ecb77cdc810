"""The descriptor ``se_e2_r`` in a tree, where its type is ``se_r``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deepattn.config import ModelConfig
from deepattn.descriptors.one_matrix.pair_trees import read_pair_nets, write_pair_nets
from deepattn.descriptors.se_e2_r.config import SeE2RConfig
from deepattn.trees.embedding import Arrays
from deepattn.trees.environment import read_environment, write_environment
from deepattn.trees.node import Node
from deepattn.trees.part import DescriptorFormat

_KEYS = ("type_one_side",)


def read_se_e2_r(node: Node, type_map: Sequence[str]) -> tuple[dict[str, Any], Arrays]:
    """A descriptor as the model section ``descriptor``, and its weights."""
    node.version("Descriptor", 1, 2, 3)
    ntypes = len(type_map)
    section, arrays = read_environment(node, type_map, keys=_KEYS, columns=1)
    node.only("ntypes", ntypes, reason=f"the model has {ntypes} types")
    node.ignore("type")
    nets, _ = read_pair_nets(node, section, ntypes=ntypes)
    node.finish()
    return {"descriptor": {**section, "type": "se_e2_r"}}, {**arrays, **nets}


def write_se_e2_r(
    section: SeE2RConfig, config: ModelConfig, arrays: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """Section and weights as a descriptor."""
    nets, precision = write_pair_nets(section, arrays, ntypes=len(config.type_map))
    environment = write_environment(
        section, config.type_map, arrays, precision, keys=_KEYS, columns=1
    )
    return {
        "@class": "Descriptor",
        "type": "se_r",
        "@version": 2,
        **environment,
        "spin": None,
        "embeddings": nets,
    }


FORMAT = DescriptorFormat(("se_r", "se_e2_r"), read_se_e2_r, write_se_e2_r)
