"""What trees of ``.dp`` files have in common for fittings of tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deepattn.config import ModelConfig
from deepattn.fittings.net_tree import Shape, read_chosen, read_keys, read_weights, write_tree_of
from deepattn.fittings.tensor_config import TensorFittingConfig
from deepattn.trees.embedding import Arrays
from deepattn.trees.node import Node


def read_tensor_keys(node: Node, kind: str, ntypes: int) -> tuple[dict[str, Any], int]:
    """The section ``fitting_net``, and the number of equivariant rows.

    Args:
        node: The fitting.
        kind: Its type.
        ntypes: Number of types.
    """
    keys = read_keys(node, kind)
    for name in ("numb_fparam", "numb_aparam", "dim_case_embd"):
        if keys[name]:
            node.fail(f"{node.path}/{name} = {keys[name]} is not supported for tensors")
    node.ignore("var_name", "dim_out", "rcond")
    return {**keys, "sel_type": read_chosen(node, ntypes)}, node.get("embedding_width", int)


def read_tensor_weights(
    node: Node,
    section: dict[str, Any],
    type_map: Sequence[str],
    *,
    mixed_types: bool,
    outputs: int,
    variables: Mapping[str, Shape],
) -> tuple[list[np.ndarray | None], Arrays, bool | None]:
    """Arrays of the kind, nets, and residual connections, as of `read_weights`.

    Args:
        node: The fitting.
        section: Its section, from which keys are removed that sections of tensors lack.
        type_map: Names of the types.
        mixed_types: Whether one net serves all types.
        outputs: Width of the output of the nets.
        variables: Shapes of the arrays of its kind.
    """
    shapes: dict[str, Shape] = {"bias_atom_e": None, **variables}
    [bias, *own], arrays, every_residual = read_weights(
        node,
        section,
        type_map,
        mixed_types=mixed_types,
        variables=shapes,
        chosen=section["sel_type"],
    )
    if bias is not None and np.any(bias):
        node.fail(f"{node.path}/@variables/bias_atom_e is not zero, which is not supported")
    if any(
        array.shape[-1] != outputs
        for name, array in arrays.items()
        if name.startswith("final_layer")
    ):
        node.fail(f"{node.path} has an output layer whose width is not {outputs}")
    for key in TensorFittingConfig.implied:
        section.pop(key, None)
    return own, arrays, every_residual


def write_tensor(
    section: TensorFittingConfig,
    config: ModelConfig,
    arrays: Mapping[str, np.ndarray],
    *,
    version: int,
    variables: Mapping[str, np.ndarray],
    **keys: Any,
) -> dict[str, Any]:
    """A fitting of a tensor as a tree; arguments as of `write_tree_of`."""
    tree = write_tree_of(
        section,
        config,
        arrays,
        version=version,
        variables=variables,
        chosen=section.chosen,
        embedding_width=0,
        rcond=None,
        **keys,
    )
    nets = tree["nets"]["networks"]
    outputs = nets[0]["out_dim"]
    rows = outputs if keys.get("fit_diag", True) else round(outputs**0.5)
    bias = {"bias_atom_e": np.zeros((len(config.type_map), outputs))}
    return {**tree, "embedding_width": rows, "@variables": {**bias, **tree["@variables"]}}
