"""The blocks that start features of atoms in DPA-2, in a tree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from deepattn.config import slots_of
from deepattn.descriptors.dpa2.config import Dpa2Config
from deepattn.trees.by_path import net_names, path_of
from deepattn.trees.embedding import Arrays, embedding_arrays, write_embedding
from deepattn.trees.environment import read_matrix, write_matrix
from deepattn.trees.nets import read_nets, write_nets
from deepattn.trees.node import Node

_KIND = "EmbeddingNetwork"
# The nets of a block: of distances or angles, and, where they do not enter it, of types.
_NETS = ("embeddings", "embeddings_strip")


class InitialBlock(NamedTuple):
    """Settings in which the blocks differ, by the keys of an input's ``repinit``."""

    nsel: int
    rcut: float
    rcut_smth: float
    neuron: tuple[int, ...]


def initial_blocks(section: Dpa2Config) -> dict[str, InitialBlock]:
    """The blocks of a model by their keys in a tree."""
    repinit = section.repinit
    blocks = {
        "repinit_variable": InitialBlock(
            slots_of(repinit.nsel)[0], repinit.rcut, repinit.rcut_smth, repinit.neuron
        )
    }
    if repinit.use_three_body:
        blocks["repinit_three_body_variable"] = InitialBlock(
            slots_of(repinit.three_body_sel)[0],
            repinit.three_body_rcut,
            repinit.three_body_rcut_smth,
            repinit.three_body_neuron,
        )
    return blocks


def read_initial(node: Node, block: InitialBlock, section: Dpa2Config, ntypes: int) -> Arrays:
    """The weights of a block."""
    average, deviation = read_matrix(node, (ntypes, block.nsel, 4))
    arrays = {f"{path_of(node)}/davg": average, f"{path_of(node)}/dstd": deviation}
    node.only("compress", reason="give the model that was compressed instead")
    for key in _nets(section):
        collection = node.child(key)
        [layers] = read_nets(collection, _KIND, ndim=0, ntypes=ntypes)
        if layers is None:
            node.fail(f"{collection.path} has no net")
        names = net_names(path_of(collection))
        activation = section.repinit.activation_function
        arrays |= embedding_arrays(collection, layers, names, activation=activation)
    node.finish()
    return arrays


def write_initial(
    arrays: Mapping[str, np.ndarray],
    path: str,
    block: InitialBlock,
    section: Dpa2Config,
    ntypes: int,
) -> dict[str, Any]:
    """The weights below a path as a block."""
    statistics = (arrays[f"{path}/{key}"] for key in ("davg", "dstd"))
    tree = write_matrix(block.rcut, block.rcut_smth, *statistics)
    for key in _nets(section):
        net = write_embedding(
            arrays,
            net_names(f"{path}/{key}"),
            count=len(block.neuron),
            activation=section.repinit.activation_function,
            resnet_dt=section.repinit.resnet_dt,
            trainable=section.trainable,
        )
        tree[key] = write_nets([net], _KIND, ndim=0, ntypes=ntypes)
    return tree


def _nets(section: Dpa2Config) -> tuple[str, ...]:
    return _NETS if section.repinit.tebd_input_mode == "strip" else _NETS[:1]
