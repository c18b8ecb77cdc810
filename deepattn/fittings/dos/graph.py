"""Weights of a frozen graph of densities of states."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from deepattn.formats.weight_names import OUT_BIAS

BIAS_DOS = "fitting_attr/t_bias_dos"


def weights_of_graph(
    arrays: Mapping[str, np.ndarray], is_used: Callable[[str], bool], *, ntypes: int
) -> dict[str, np.ndarray]:
    """The weights of a model. Of the biases in a graph of DeePMD-kit it uses the output's alone.

    Args:
        arrays: Those of the graph by name.
        is_used: Whether the graph computes with an array.
        ntypes: Number of types.
    """
    arrays = dict(arrays)
    out_bias, bias = arrays.pop(OUT_BIAS, None), arrays.pop(BIAS_DOS, None)
    biases = [out_bias, bias if is_used(BIAS_DOS) else None]
    # Older graphs have no bias that is used.
    width = next(a.shape[-1] for name, a in arrays.items() if name.startswith("final_layer"))
    total = np.zeros((ntypes, width))
    for found in biases:
        if found is not None:
            total = total + found.reshape(total.shape)
    return {**arrays, BIAS_DOS: total}
