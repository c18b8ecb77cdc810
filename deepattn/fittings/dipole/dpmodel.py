"""The fitting net ``dipole`` in a tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deepattn.config import ModelConfig
from deepattn.fittings.dipole.config import DipoleFittingConfig
from deepattn.fittings.tensor_tree import read_tensor_keys, read_tensor_weights, write_tensor
from deepattn.trees.embedding import Arrays
from deepattn.trees.node import Node
from deepattn.trees.part import FittingFormat


def _read(
    node: Node, type_map: Sequence[str], *, mixed_types: bool
) -> tuple[dict[str, Any], Arrays, bool | None]:
    node.version("Fitting", 1, 2, 3, 4)
    section, rows = read_tensor_keys(node, "dipole", len(type_map))
    for key in ("r_differentiable", "c_differentiable"):
        node.only(key, True, reason="derivatives are always given")
    _, arrays, every_residual = read_tensor_weights(
        node, section, type_map, mixed_types=mixed_types, outputs=rows, variables={}
    )
    return section, arrays, every_residual


def _write(
    section: DipoleFittingConfig, config: ModelConfig, arrays: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    return write_tensor(
        section,
        config,
        arrays,
        version=4,
        variables={},
        var_name="dipole",
        r_differentiable=True,
        c_differentiable=True,
    )


FORMAT = FittingFormat(("dipole",), _read, _write, width=lambda section: 3)
