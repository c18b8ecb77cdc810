"""The fitting net ``property`` in a tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deepattn.config import ModelConfig
from deepattn.fittings.net_tree import read_keys, read_weights, write_tree_of
from deepattn.fittings.property.config import PropertyFittingConfig
from deepattn.formats.weight_names import PROPERTY_MEAN, PROPERTY_SPREAD
from deepattn.trees.embedding import Arrays
from deepattn.trees.node import Node
from deepattn.trees.part import FittingFormat


def _read(
    node: Node, type_map: Sequence[str], *, mixed_types: bool
) -> tuple[dict[str, Any], Arrays, bool | None]:
    node.version("Fitting", 1, 2, 3, 4, 5, 6)
    section = {
        **read_keys(node, "property"),
        "property_name": node.get("var_name", str),
        "task_dim": node.get("task_dim", int),
        "intensive": node.get("intensive", bool),
        # Before there was the key, types were not told apart.
        "distinguish_types": node.get("distinguish_types", bool, False),
    }
    # In its place DeePMD-kit takes the atom_exclude_types of the model.
    node.ignore("exclude_types")
    node.only("atom_ener", [], reason="properties of isolated atoms are not supported")
    node.ignore("dim_out", "rcond")
    shape = (len(type_map), section["task_dim"])
    [bias], arrays, every_residual = read_weights(
        node, section, type_map, mixed_types=mixed_types, variables={"bias_atom_e": shape}
    )
    if np.any(bias):
        node.fail(f"{node.path}/@variables/bias_atom_e is not zero, which is not supported")
    return (
        section,
        {PROPERTY_MEAN: np.zeros(shape), PROPERTY_SPREAD: np.ones(shape), **arrays},
        every_residual,
    )


def _write(
    section: PropertyFittingConfig, config: ModelConfig, arrays: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    return write_tree_of(
        section,
        config,
        arrays,
        version=6,
        variables={"bias_atom_e": np.zeros_like(arrays[PROPERTY_MEAN])},
        var_name=section.property_name,
        dim_out=section.task_dim,
        task_dim=section.task_dim,
        intensive=section.intensive,
        distinguish_types=section.distinguish_types,
        rcond=None,
        atom_ener=None,
    )


def _with_output(
    section: Mapping[str, Any], arrays: Arrays, bias: np.ndarray, std: np.ndarray
) -> Arrays:
    return {**arrays, PROPERTY_MEAN: bias, PROPERTY_SPREAD: std}


def _output(
    section: PropertyFittingConfig, config: ModelConfig, arrays: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    return arrays[PROPERTY_MEAN], arrays[PROPERTY_SPREAD]


FORMAT = FittingFormat(
    ("property",),
    _read,
    _write,
    width=lambda section: section["task_dim"],
    with_output=_with_output,
    output=_output,
    arguments={"property_name": "var_name"},
)
