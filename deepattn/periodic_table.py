"""What a type embedding has learned of the periodic table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from ase.data import atomic_numbers

# Electrons of the noble gas before each period; the last entry ends the seventh.
_SHELLS = (0, 2, 10, 18, 36, 54, 86, 118)
_GROUPS = 18


class NeighborScore(NamedTuple):
    """How often the nearest neighbour in an embedding is a neighbour in the periodic table.

    Attributes:
        fraction: of the elements whose nearest one stands beside, above or below it.
        shuffled: mean of the same for shuffled labels.
        shuffled_most: the most that any shuffling reached.
    """

    fraction: float
    shuffled: float
    shuffled_most: float


def place(symbol: str) -> tuple[int, int] | None:
    """Period and group of an element; ``None`` for what is no element.

    Lanthanides and actinides are all given group 3.
    """
    number = atomic_numbers.get(symbol, 0)
    if not 0 < number <= _SHELLS[-1]:
        return None
    period = next(p for p, end in enumerate(_SHELLS) if number <= end)
    order, length = number - _SHELLS[period - 1], _SHELLS[period] - _SHELLS[period - 1]
    if order <= 2 and not (length == 2 and order == 2):
        return period, order
    # Counted from the noble gas; what is before group 3 then are f electrons.
    return period, max(_GROUPS - (length - order), 3)


def principal_components(vectors: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates along the directions in which vectors differ most.

    Args:
        vectors: ``[n, width]``.
        number: how many directions, at most ``min(n, width)``.

    Returns:
        The coordinates ``[n, number]`` and each direction's share of the variance. Signs are such
        that the largest coordinate of each direction is positive.
    """
    left, scales, _ = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
    coordinates = (left * scales)[:, :number]
    largest = np.abs(coordinates).argmax(axis=0)
    coordinates *= np.where(coordinates[largest, np.arange(number)] < 0, -1.0, 1.0)
    total = np.sum(scales**2)
    return coordinates, scales[:number] ** 2 / total if total else np.zeros(number)


def neighbor_score(
    vectors: np.ndarray, symbols: Sequence[str], *, shufflings: int = 2000
) -> NeighborScore:
    """Compare nearest neighbours among type vectors with the periodic table.

    Args:
        vectors: ``[n, width]``, n > 1.
        symbols: the n elements.
        shufflings: how many random assignments of labels to compare with.
    """
    places = np.array([place(symbol) for symbol in symbols])
    distances = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    nearest = distances.argmin(axis=1)

    def fraction(places: np.ndarray) -> float:
        return float(np.mean(np.abs(places - places[nearest]).sum(axis=1) == 1))

    rng = np.random.default_rng(0)
    shuffled = [fraction(rng.permutation(places)) for _ in range(shufflings)]
    return NeighborScore(fraction(places), float(np.mean(shuffled)), max(shuffled))
