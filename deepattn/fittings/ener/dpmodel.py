"""The fitting net ``ener`` in a tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deepattn.config import ModelConfig
from deepattn.fittings.ener.config import EnerFittingConfig
from deepattn.fittings.net_tree import read_keys, read_weights, write_tree_of
from deepattn.formats.weight_names import BIAS
from deepattn.trees.embedding import Arrays
from deepattn.trees.node import Node
from deepattn.trees.part import FittingFormat


def read_fitting(
    node: Node, type_map: Sequence[str], *, mixed_types: bool
) -> tuple[dict[str, Any], Arrays, bool | None]:
    """A fitting net; arguments and results as of `FittingFormat.read`."""
    node.version("Fitting", 1, 2, 3, 4)
    section = {
        **read_keys(node, "ener"),
        "rcond": node.get("rcond", (float, type(None)), None),
        "atom_ener": _atom_ener(node, mixed_types),
    }
    # In its place DeePMD-kit takes the atom_exclude_types of the model.
    node.ignore("exclude_types")
    node.ignore("var_name", "dim_out")
    [bias], arrays, every_residual = read_weights(
        node,
        section,
        type_map,
        mixed_types=mixed_types,
        variables={"bias_atom_e": (len(type_map), 1)},
    )
    return section, {BIAS: np.asarray(bias)[:, 0], **arrays}, every_residual


def write_fitting(
    section: EnerFittingConfig, config: ModelConfig, arrays: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """Section and weights as a fitting net."""
    return write_tree_of(
        section,
        config,
        arrays,
        version=4,
        variables={"bias_atom_e": arrays[BIAS][:, np.newaxis]},
        var_name="energy",
        dim_out=1,
        rcond=section.rcond,
        atom_ener=list(section.atom_ener),
    )


def _with_output(
    section: Mapping[str, Any], arrays: Arrays, bias: np.ndarray, std: np.ndarray
) -> Arrays:
    """The bias of the model is added to that of the fitting."""
    return {**arrays, BIAS: arrays[BIAS] + bias[:, 0]}


def _atom_ener(node: Node, mixed_types: bool) -> list[float | None]:
    """Energies of isolated atoms; empty unless the net's value for no neighbors is subtracted."""
    values = node.get("atom_ener", (list, type(None)), None) or []
    given = [value is not None for value in values]
    if not any(given):
        return []
    if not (mixed_types or all(given)):
        node.fail(f"{node.path}/atom_ener is given for some types only, which is not supported")
    return values


FORMAT = FittingFormat(("ener",), read_fitting, write_fitting, with_output=_with_output)
