"""Parts of all descriptors of a tree: cutoffs, statistics, and options without effect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deepattn.config import slots_of
from deepattn.trees.nets import activation_name
from deepattn.trees.node import Node

# Keys of some descriptors, with the types of their values.
_FURTHER: dict[str, type] = {"axis_neuron": int, "type_one_side": bool}


def read_environment(
    node: Node,
    type_map: Sequence[str],
    *,
    keys: Sequence[str] = tuple(_FURTHER),
    columns: int = 4,
) -> tuple[dict[str, Any], dict]:
    """The keys that every descriptor has, as a section, and the statistics by name.

    Args:
        node: The descriptor.
        type_map: Names of the types.
        keys: Those of ``axis_neuron`` and ``type_one_side`` that the descriptor has.
        columns: How many columns of its environment matrix have statistics.
    """
    section = {
        "rcut": node.get("rcut", float),
        "rcut_smth": node.get("rcut_smth", float),
        "sel": node.get("sel", list),
        "neuron": node.get("neuron", list),
        "activation_function": activation_name(node.get("activation_function", str)),
        "resnet_dt": node.get("resnet_dt", bool),
        "precision": node.get("precision", str),
        "trainable": node.get("trainable", bool, True),
        "exclude_types": [list(pair) for pair in node.get("exclude_types", list, [])],
        "set_davg_zero": node.get("set_davg_zero", bool),
        "env_protection": node.get("env_protection", float, 0.0),
        **{key: node.get(key, _FURTHER[key]) for key in keys},
    }
    node.computes_in(section["precision"], but=("type_embedding",))
    node.only("spin", reason="models of magnetic moments are not supported")
    node.only("compress", reason="give the model that was compressed instead")
    node.only("type_map", list(type_map), reason="it is not the model's")
    if not all(type(count) is int and count >= 0 for count in section["sel"]):
        node.fail(f"{node.path}/sel is not a list of numbers of neighbors")
    ntypes, nnei = len(type_map), sum(section["sel"])
    average, deviation = read_matrix(node, (ntypes, nnei, columns))
    return section, {
        "descrpt_attr/t_avg": average.reshape(ntypes, columns * nnei),
        "descrpt_attr/t_std": deviation.reshape(ntypes, columns * nnei),
    }


def write_environment(
    section: Any,
    type_map: Sequence[str],
    arrays: Mapping[str, np.ndarray],
    precision: str,
    *,
    keys: Sequence[str] = tuple(_FURTHER),
    columns: int = 4,
) -> dict[str, Any]:
    """The keys that every descriptor has, but those of its class.

    Args:
        section: The section of the descriptor.
        type_map: Names of the types.
        arrays: The weights by name.
        precision: Of the nets.
        keys: As of `read_environment`.
        columns: As of `read_environment`.
    """
    sel = list(slots_of(section.sel))
    shape = (len(type_map), sum(sel), columns)
    statistics = (arrays[f"descrpt_attr/{key}"].reshape(shape) for key in ("t_avg", "t_std"))
    return {
        "rcut": section.rcut,
        "rcut_smth": section.rcut_smth,
        "sel": sel,
        "neuron": list(section.neuron),
        "activation_function": section.activation_function,
        "resnet_dt": section.resnet_dt,
        "precision": precision,
        "trainable": section.trainable,
        "exclude_types": [list(pair) for pair in section.exclude_types],
        "set_davg_zero": section.set_davg_zero,
        "env_protection": section.env_protection,
        "type_map": list(type_map),
        **{key: getattr(section, key) for key in keys},
        **write_matrix(
            section.rcut, section.rcut_smth, *statistics, protection=section.env_protection
        ),
    }


def read_matrix(node: Node, shape: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Average and spread of an environment matrix, each of a shape ``[ntypes, nnei, columns]``."""
    matrix = node.child("env_mat")
    matrix.only("use_exp_switch", False, reason="only the polynomial switch is supported")
    # DeePMD-kit takes these from the descriptor too.
    matrix.ignore("rcut", "rcut_smth", "protection")
    matrix.finish()
    average, deviation = node.arrays({"davg": shape, "dstd": shape})
    if average is None or deviation is None:
        node.fail(f"{node.path}/@variables lacks davg or dstd")
    return average, deviation


def write_matrix(
    rcut: float,
    rcut_smth: float,
    average: np.ndarray,
    deviation: np.ndarray,
    *,
    protection: float = 0.0,
) -> dict[str, Any]:
    """The keys that define an environment matrix."""
    return {
        "env_mat": {
            "rcut": rcut,
            "rcut_smth": rcut_smth,
            "protection": protection,
            "use_exp_switch": False,
        },
        "@variables": {"davg": average, "dstd": deviation},
    }
