"""Weights of a frozen graph of polarizabilities."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from deepattn.formats.weight_names import OUT_BIAS

SHIFT = "fitting_attr/t_constant_matrix"


def weights_of_graph(
    arrays: Mapping[str, np.ndarray], is_used: Callable[[str], bool], *, ntypes: int
) -> dict[str, np.ndarray]:
    """The weights of a model; graphs before 2.0 have no shift.

    Args:
        arrays: Those of the graph by name.
        is_used: Whether the graph computes with an array.
        ntypes: Number of types.
    """
    arrays = {name: array for name, array in arrays.items() if name != OUT_BIAS}
    return {SHIFT: np.zeros(ntypes), **arrays}
