"""The block of DPA-2 that passes messages, in a tree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from deepattn.config import slots_of
from deepattn.descriptors.dpa2.config import Dpa2Config
from deepattn.descriptors.dpa2.dpmodel.repformer_layer import (
    read_repformer_layer,
    write_repformer_layer,
)
from deepattn.trees.by_path import path_of, read_linear, write_linear
from deepattn.trees.embedding import Arrays
from deepattn.trees.environment import read_matrix, write_matrix
from deepattn.trees.node import Node


def read_repformer(node: Node, section: Dpa2Config, ntypes: int) -> Arrays:
    """The weights of the block."""
    repformer = section.repformer
    average, deviation = read_matrix(node, (ntypes, *slots_of(repformer.nsel), 4))
    arrays = {f"{path_of(node)}/davg": average, f"{path_of(node)}/dstd": deviation}
    arrays |= read_linear(node.child("g2_embd"))
    layers = [layer for layer in node.children("repformer_layers") if layer is not None]
    node.finish()
    if len(layers) != repformer.nlayers:
        node.fail(f"{node.path} has {len(layers)} layers, not nlayers {repformer.nlayers}")
    for k, layer in enumerate(layers, start=1):
        arrays |= read_repformer_layer(layer, section, last=k == len(layers))
    return arrays


def write_repformer(
    arrays: Mapping[str, np.ndarray], path: str, section: Dpa2Config, ntypes: int
) -> dict[str, Any]:
    """The weights below a path as the block."""
    repformer = section.repformer
    statistics = (arrays[f"{path}/{key}"] for key in ("davg", "dstd"))
    count = repformer.nlayers
    return {
        "g2_embd": write_linear(arrays, f"{path}/g2_embd", trainable=section.trainable),
        "repformer_layers": [
            write_repformer_layer(
                arrays, f"{path}/repformer_layers/{k}", section, ntypes, last=k == count - 1
            )
            for k in range(count)
        ],
        **write_matrix(repformer.rcut, repformer.rcut_smth, *statistics),
    }
