"""The fitting net ``dos`` in a tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deepattn.config import ModelConfig
from deepattn.fittings.dos.config import DosFittingConfig
from deepattn.fittings.dos.graph import BIAS_DOS
from deepattn.fittings.net_tree import read_keys, read_weights, write_tree_of
from deepattn.trees.embedding import Arrays
from deepattn.trees.node import Node
from deepattn.trees.part import FittingFormat


def _read(
    node: Node, type_map: Sequence[str], *, mixed_types: bool
) -> tuple[dict[str, Any], Arrays, bool | None]:
    node.version("Fitting", 1, 2, 3, 4)
    section = {
        **read_keys(node, "dos"),
        "rcond": node.get("rcond", (float, type(None)), None),
        "numb_dos": node.get("dim_out", int),
    }
    # In its place DeePMD-kit takes the atom_exclude_types of the model.
    node.ignore("exclude_types")
    node.only("atom_ener", [], reason="densities of isolated atoms are not supported")
    node.ignore("var_name")
    [bias], arrays, every_residual = read_weights(
        node,
        section,
        type_map,
        mixed_types=mixed_types,
        variables={"bias_atom_e": (len(type_map), section["numb_dos"])},
    )
    return section, {BIAS_DOS: np.asarray(bias), **arrays}, every_residual


def _write(
    section: DosFittingConfig, config: ModelConfig, arrays: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    # DeePMD-kit's TensorFlow backend adds the bias of the model alone.
    return write_tree_of(
        section,
        config,
        arrays,
        version=4,
        variables={"bias_atom_e": np.zeros_like(arrays[BIAS_DOS])},
        var_name="dos",
        dim_out=section.numb_dos,
        rcond=section.rcond,
        atom_ener=None,
    )


def _with_output(
    section: Mapping[str, Any], arrays: Arrays, bias: np.ndarray, std: np.ndarray
) -> Arrays:
    return {**arrays, BIAS_DOS: arrays[BIAS_DOS] + bias}


def _output(
    section: DosFittingConfig, config: ModelConfig, arrays: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    return arrays[BIAS_DOS], np.ones_like(arrays[BIAS_DOS])


FORMAT = FittingFormat(
    ("dos",),
    _read,
    _write,
    width=lambda section: section["numb_dos"],
    with_output=_with_output,
    output=_output,
    arguments={"numb_dos": "dim_out"},
)
