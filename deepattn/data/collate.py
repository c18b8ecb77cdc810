"""Joining frames of several systems into one batch."""

from collections.abc import Sequence

import numpy as np

from deepattn.data.keys import atom_axes
from deepattn.data.system import Arrays


def collate(parts: Sequence[Arrays]) -> Arrays:
    """One dictionary of arrays out of several with the same keys.

    Arrays with an axis of atoms are padded to the longest: zeros, and type −1, which marks a
    virtual atom.

    Args:
        parts: Inputs, or labels, as :meth:`System.frames` gives them.
    """
    if len(parts) == 1:
        return parts[0]
    return {name: _join(name, [part[name] for part in parts]) for name in parts[0]}


def _join(name: str, arrays: Sequence[np.ndarray]) -> np.ndarray:
    axes = 1 if name == "atype" else atom_axes(name)
    if not axes:
        return np.concatenate(arrays)
    longest = max(array.shape[1] for array in arrays)
    fill = -1 if name == "atype" else 0
    return np.concatenate([_pad(array, longest, fill, axes) for array in arrays])


def _pad(array: np.ndarray, length: int, fill: int, axes: int) -> np.ndarray:
    widths = [(0, 0)] * array.ndim
    widths[1 : 1 + axes] = [(0, length - array.shape[1])] * axes
    return np.pad(array, widths, constant_values=fill)
