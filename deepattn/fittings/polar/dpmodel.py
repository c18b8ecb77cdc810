"""The fitting net ``polar`` in a tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deepattn.config import ModelConfig
from deepattn.fittings.polar.config import PolarFittingConfig
from deepattn.fittings.polar.graph import SHIFT
from deepattn.fittings.tensor_tree import read_tensor_keys, read_tensor_weights, write_tensor
from deepattn.trees.embedding import Arrays
from deepattn.trees.node import Node
from deepattn.trees.part import FittingFormat


def _read(
    node: Node, type_map: Sequence[str], *, mixed_types: bool
) -> tuple[dict[str, Any], Arrays, bool | None]:
    node.version("Fitting", 3, 4, 5)
    ntypes = len(type_map)
    section, rows = read_tensor_keys(node, "polar", ntypes)
    section |= {"fit_diag": node.get("fit_diag", bool), "shift_diag": node.get("shift_diag", bool)}
    [scale, constant], arrays, every_residual = read_tensor_weights(
        node,
        section,
        type_map,
        mixed_types=mixed_types,
        outputs=rows if section["fit_diag"] else rows**2,
        variables={"scale": (ntypes, 1), "constant_matrix": (ntypes,)},
    )
    if constant is not None and np.any(constant):
        node.fail(
            f"{node.path}/@variables/constant_matrix is not zero, which DeePMD-kit's TensorFlow "
            "backend adds to polarizabilities and the others do not; write the model as .pb"
        )
    section["scale"] = [1.0] * ntypes if scale is None else scale[:, 0].tolist()
    return section, {SHIFT: np.zeros(ntypes), **arrays}, every_residual


def _write(
    section: PolarFittingConfig, config: ModelConfig, arrays: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    scale = np.array(section.scale_of_types(config.ntypes))
    return write_tensor(
        section,
        config,
        arrays,
        version=5,
        variables={
            "scale": scale[:, np.newaxis],
            "constant_matrix": np.zeros(config.ntypes),
        },
        var_name="polar",
        fit_diag=section.fit_diag,
        shift_diag=section.shift_diag,
    )


def _with_output(
    section: Mapping[str, Any], arrays: Arrays, bias: np.ndarray, std: np.ndarray
) -> Arrays:
    """The shift is a third of the trace of the model's bias."""
    if not section["shift_diag"]:
        return arrays
    return {**arrays, SHIFT: bias.reshape(-1, 3, 3).trace(axis1=1, axis2=2) / 3}


def _output(
    section: PolarFittingConfig, config: ModelConfig, arrays: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    bias = arrays[SHIFT][:, np.newaxis] * np.eye(3).reshape(1, 9)
    return bias, np.ones_like(bias)


FORMAT = FittingFormat(
    ("polar",),
    _read,
    _write,
    width=lambda section: 9,
    with_output=_with_output,
    output=_output,
    input_keys=lambda section: {"scale": section.to_dict()["scale"]},
)
