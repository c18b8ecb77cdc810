"""Weights of a frozen graph of dipole moments."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from deepattn.formats.weight_names import OUT_BIAS


def weights_of_graph(
    arrays: Mapping[str, np.ndarray], is_used: Callable[[str], bool], *, ntypes: int
) -> dict[str, np.ndarray]:
    """The weights of a model; no bias is added to a vector.

    Args:
        arrays: Those of the graph by name.
        is_used: Whether the graph computes with an array.
        ntypes: Number of types.
    """
    return {name: array for name, array in arrays.items() if name != OUT_BIAS}
