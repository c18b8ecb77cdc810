"""Weights of a frozen graph of energies."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from deepattn.formats.weight_names import BIAS, OUT_BIAS


def weights_of_graph(
    arrays: Mapping[str, np.ndarray], is_used: Callable[[str], bool], *, ntypes: int
) -> dict[str, np.ndarray]:
    """The weights of a model, with the second bias that some graphs add in the first.

    Args:
        arrays: Those of the graph by name.
        is_used: Whether the graph computes with an array.
        ntypes: Number of types.
    """
    arrays = dict(arrays)
    # Of graphs before DeePMD-kit 2.1 the last layers have it.
    arrays.setdefault(BIAS, np.zeros(ntypes))
    out_bias = arrays.pop(OUT_BIAS, None)
    if out_bias is not None:
        arrays[BIAS] = arrays[BIAS] + out_bias.reshape(-1)
    return arrays
