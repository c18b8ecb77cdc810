"""Radial distribution functions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement
from typing import NamedTuple

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list


class Distribution(NamedTuple):
    """Radial distribution functions of some frames.

    Attributes:
        r: Middles of the shells, Å, ``[number of shells]``.
        g: By pairs of elements, density in the shells over the mean density, which is 1 far away.
    """

    r: np.ndarray
    g: dict[tuple[str, str], np.ndarray]


def radial_distribution(
    frames: Sequence[Atoms], *, rmax: float = 6.0, width: float = 0.1
) -> Distribution:
    """Average over frames with periodic cells; neighbors in all images of a cell count.

    Args:
        frames: The frames; those with open boundaries have no density and are left out.
        rmax: How far, Å.
        width: Of a shell, Å.
    """
    frames = [atoms for atoms in frames if atoms.pbc.all()]
    edges = np.linspace(0.0, rmax, round(rmax / width) + 1)
    shells = 4 / 3 * np.pi * np.diff(edges**3)
    elements = sorted({symbol for atoms in frames for symbol in atoms.get_chemical_symbols()})
    found: dict[tuple[str, str], np.ndarray] = {}
    expected: dict[tuple[str, str], np.ndarray] = {}
    for atoms in frames:
        first, second, distance = neighbor_list("ijd", atoms, rmax)
        symbols = np.array(atoms.get_chemical_symbols())
        for pair in combinations_with_replacement(elements, 2):
            chosen = (symbols[first] == pair[0]) & (symbols[second] == pair[1])
            counts = [np.count_nonzero(symbols == name) for name in pair]
            histogram = np.histogram(distance[chosen], edges)[0]
            found[pair] = found.get(pair, 0.0) + histogram
            mean = counts[0] * counts[1] / atoms.get_volume() * shells
            expected[pair] = expected.get(pair, 0.0) + mean
    return Distribution(
        r=(edges[1:] + edges[:-1]) / 2,
        g={pair: found[pair] / expected[pair] for pair in found if np.any(expected[pair])},
    )
