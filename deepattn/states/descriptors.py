"""What the descriptors of PyTorch's files have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deepattn.states.rules import ROW, Rule, flat
from deepattn.trees.nets import activation_name
from deepattn.trees.node import Node

# Tables of compressed models, empty in others.
TABLES = r"descriptor\..*\b(compress_info\.[0-9]+|compress_data\.[0-9]+|type_embd_data)"
# With them second names of the nets, sums of numbers of slots, and properties of elements.
IGNORED = (
    TABLES,
    r"descriptor\.(.*\.)?sec",
    r"descriptor\..*\._networks\..*",
    r"descriptor\.type_embedding\.embedding\.econf_tebd",
)
# Types are embedded by one linear layer.
TYPE_EMBEDDING = Rule(
    "descriptor.type_embedding.embedding.embedding_net.layers.{k}.{part}",
    ("type_embed_net/{part}_{n}",),
)


def graph_net(theirs: str, scope: str, suffix: str = "") -> list[Rule]:
    """Rules of an embedding net with names as in a graph.

    Args:
        theirs: The net there, ``descriptor.sea.filter_layers.networks.0``.
        scope: What names here begin with, ``filter_type_all``.
        suffix: What they end with.
    """
    return [
        Rule(f"{theirs}.layers.{{k}}.idt", (f"{scope}/idt_{{n}}{suffix}",), ROW),
        Rule(f"{theirs}.layers.{{k}}.{{part}}", (f"{scope}/{{part}}_{{n}}{suffix}",)),
    ]


def tree_net(theirs: str, ours: str) -> list[Rule]:
    """Rules of the only net of a collection with names that are paths of a tree."""
    theirs, ours = f"{theirs}.networks.0.layers.{{k}}", f"{ours}/networks/0/layers/{{k}}"
    return [
        Rule(f"{theirs}.idt", (f"{ours}/idt",), ROW),
        Rule(f"{theirs}.{{part}}", (f"{ours}/{{leaf}}",)),
    ]


def statistics(block: str, *, columns: int = 4) -> list[Rule]:
    """Rules of the statistics of a descriptor with one environment matrix.

    Args:
        block: The module that has them, ``descriptor.sea``.
        columns: How many columns of the matrix have statistics.
    """
    return [
        Rule(f"{block}.mean", ("descrpt_attr/t_avg",), flat(columns)),
        Rule(f"{block}.stddev", ("descrpt_attr/t_std",), flat(columns)),
    ]


def tables(block: str, nets: int = 1) -> list[str]:
    """Names of the empty tables of a module that is not compressed."""
    keys = ("compress_info", "compress_data")
    return [f"{block}.{key}.{k}" for key in keys for k in range(nets)]


def read_type_embedding(node: Node, section: Mapping[str, Any]) -> dict[str, Any]:
    """The section ``type_embedding`` of a descriptor whose keys describe it.

    Args:
        node: The descriptor.
        section: Its keys of nets.
    """
    return {
        "neuron": [node.get("tebd_dim", int, 8)],
        "activation_function": "linear",
        "precision": section["precision"],
        "trainable": section["trainable"],
        "use_econf_tebd": node.get("use_econf_tebd", bool, False),
        "use_tebd_bias": node.get("use_tebd_bias", bool, False),
    }


def read_section(node: Node, *, neuron: Sequence[int] = (25, 50, 100)) -> dict[str, Any]:
    """The keys that DPA-1 and DeepPot-SE have in common.

    Files from before DeePMD-kit completed its inputs lack keys. Their defaults are those of its
    classes, which are not always those of its inputs.

    Args:
        node: The section.
        neuron: Default widths of the embedding net.
    """
    sel, excluded = node.get("sel", (list, int)), node.get("exclude_types", list, [])
    if isinstance(sel, list) and not all(type(number) is int for number in sel):
        node.fail(f"{node.path}/sel is not a list of whole numbers")
    if not all(isinstance(pair, list | tuple) for pair in excluded):
        node.fail(f"{node.path}/exclude_types is not a list of pairs")
    section = {
        "rcut": node.get("rcut", float),
        "rcut_smth": node.get("rcut_smth", float),
        "sel": sel,
        "neuron": node.get("neuron", list, list(neuron)),
        "activation_function": activation_name(node.get("activation_function", str, "tanh")),
        "resnet_dt": node.get("resnet_dt", bool, False),
        "precision": node.get("precision", str, "default"),
        "trainable": node.get("trainable", bool, True),
        "exclude_types": [list(pair) for pair in excluded],
        "set_davg_zero": node.get("set_davg_zero", bool, False),
        "env_protection": node.get("env_protection", float, 0.0),
    }
    node.only("spin", reason="models of magnetic moments are not supported")
    node.ignore("type", "seed", "type_map", "ntypes")
    return section
