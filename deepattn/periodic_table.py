"""Comparison of a type embedding with the periodic table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from ase.data import atomic_numbers

# Electrons of the noble gas before each period; the last entry ends the seventh.
_SHELLS = (0, 2, 10, 18, 36, 54, 86, 118)
_COLUMNS = 32
_BLOCK_ENDS = (2, 16, 26, 32)


class NeighborScore(NamedTuple):
    """How often the nearest neighbor in an embedding is a neighbor in the periodic table.

    Attributes:
        fraction: Of the elements whose nearest one is the next or the last of its period, or stands
            above or below it.
        shuffled: Mean of the same for shuffled labels.
        shuffled_most: The most that any shuffling reached.
    """

    fraction: float
    shuffled: float
    shuffled_most: float


def place(symbol: str) -> tuple[int, int] | None:
    """Period and column of an element in the long form of the table, or ``None`` if it is none.

    The columns are 2 for s, 14 for f (lanthanum to ytterbium), 10 for d and 6 for p elements.
    """
    number = atomic_numbers.get(symbol, 0)
    if not 0 < number <= _SHELLS[-1]:
        return None
    period = next(p for p, end in enumerate(_SHELLS) if number <= end)
    order, length = number - _SHELLS[period - 1], _SHELLS[period] - _SHELLS[period - 1]
    if order <= 2 and symbol != "He":
        return period, order
    return period, _COLUMNS - (length - order)


def by_atomic_number(names: Sequence[str]) -> list[str]:
    """Names in the order of the elements; those that are no elements follow."""
    return sorted(names, key=lambda name: atomic_numbers.get(name, _SHELLS[-1] + 1))


def most_alike(symbol: str, known: Sequence[str]) -> str | None:
    """The known element that is chemically nearest, or ``None`` where a name is no element.

    One of the same group, from the nearest period; where none is known, one of the same block from
    the nearest group. Lanthanides and actinides count as the third group. Of two as near the
    heavier is taken, since the first of a group differs most from the others; hydrogen never.
    """
    here = place(symbol)
    places = {name: there for name in known if name != "H" and (there := place(name)) is not None}
    if here is None or not places:
        return None

    def distance(name: str) -> tuple[bool, bool, int, int, bool, int]:
        periods, columns = np.abs(np.subtract(places[name], here)).tolist()
        groups = abs(_group(places[name][1]) - _group(here[1]))
        other_block = _block(places[name][1]) != _block(here[1])
        lighter = places[name] < here
        return groups > 0, other_block, groups, periods, lighter, columns

    return min(places, key=distance)


def _group(column: int) -> int:
    """The column, for f elements that of scandium and yttrium."""
    return _BLOCK_ENDS[1] + 1 if _block(column) == 1 else column


def _block(column: int) -> int:
    """0 for s, 1 for f, 2 for d, 3 for p."""
    return int(np.searchsorted(_BLOCK_ENDS, column))


def principal_components(vectors: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates along the directions in which vectors differ most.

    Args:
        vectors: ``[n, width]``.
        number: How many directions, at most ``min(n, width)``.

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
    """Compare nearest neighbors among type vectors with the periodic table.

    Args:
        vectors: ``[n, width]``, n > 1.
        symbols: The n elements.
        shufflings: How many random assignments of labels to compare with.
    """
    numbers = np.array([atomic_numbers[symbol] for symbol in symbols])
    period, column = np.array([place(symbol) for symbol in symbols]).T
    beside = (np.abs(np.subtract.outer(numbers, numbers)) == 1) & np.equal.outer(period, period)
    above = (np.abs(np.subtract.outer(period, period)) == 1) & np.equal.outer(column, column)
    neighbors = beside | above
    distances = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    nearest = distances.argmin(axis=1)

    def fraction(labels: np.ndarray) -> float:
        return float(np.mean(neighbors[labels, labels[nearest]]))

    rng = np.random.default_rng(0)
    labels = np.arange(len(symbols))
    shuffled = [fraction(rng.permutation(labels)) for _ in range(shufflings)]
    return NeighborScore(fraction(labels), float(np.mean(shuffled)), max(shuffled))
