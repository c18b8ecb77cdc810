"""Numbers of atoms and frames per element in data on disk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from deepattn.data import System

_ATOMS_AT_ONCE = 1 << 16


class ElementSummary(NamedTuple):
    """Samples of one element.

    Attributes:
        frames: How many frames have it.
        atoms: Atoms of it in all frames.
        rms_force: Root of the mean square of the force on them, eV/Å, NaN without forces.
        max_force: Largest force on one of them, eV/Å.
    """

    frames: int
    atoms: int
    rms_force: float
    max_force: float


def summarize(paths: Sequence[str], type_map: Sequence[str]) -> dict[str, ElementSummary]:
    """Count what systems hold of each element.

    Args:
        paths: Systems, as `deepattn.data.find_systems` gives them.
        type_map: The elements.
    """
    frames, atoms = np.zeros((2, len(type_map)), np.int64)
    square, largest = np.zeros((2, len(type_map)))
    for path in paths:
        system = System(path, type_map=type_map)
        for piece in system.pieces(_ATOMS_AT_ONCE):
            inputs, labels = system.frames(piece, labels=("force",))
            force2 = np.square(labels["force"]).sum(axis=2)
            force2[labels["find_force"] == 0] = np.nan
            for kind in range(len(type_map)):
                chosen = inputs["atype"] == kind
                frames[kind] += chosen.any(axis=1).sum()
                atoms[kind] += chosen.sum()
                square[kind] += force2[chosen].sum()
                largest[kind] = max(largest[kind], force2[chosen].max(initial=0.0))
    rms = np.sqrt(square / np.maximum(atoms, 1))
    rows = zip(
        frames.tolist(), atoms.tolist(), rms.tolist(), np.sqrt(largest).tolist(), strict=True
    )
    return {name: ElementSummary(*row) for name, row in zip(type_map, rows, strict=True)}
