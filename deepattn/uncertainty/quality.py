"""How well uncertainties tell the true errors."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_WORST = 0.1


class Quality(NamedTuple):
    """A comparison of uncertainties with true errors.

    Attributes:
        rank: Spearman's rank correlation.
        found: Share of the atoms with the largest tenth of the errors that are among the tenth
            with the largest uncertainties; 0.1 by chance.
        ratio: Root mean square error over root mean square of the uncertainty; of a distance
            without meaning.
    """

    rank: float
    found: float
    ratio: float


def measure_quality(uncertainty: np.ndarray, error: np.ndarray) -> Quality:
    """Compare uncertainties with true errors.

    Args:
        uncertainty: ``[n]``.
        error: Magnitudes of the errors, ``[n]``.
    """
    count = max(1, round(_WORST * len(error)))
    # Of equals the first in the order of the data are taken, on both sides.
    worst = np.argsort(-error, kind="stable")[:count]
    doubted = np.argsort(-uncertainty, kind="stable")[:count]
    ranks = np.column_stack([_ranks(uncertainty), _ranks(error)])
    ranks -= ranks.mean(axis=0)
    norm = np.linalg.norm(ranks, axis=0).prod()
    finite = np.isfinite(uncertainty)
    squares = [
        float(np.mean(x[finite] ** 2)) if finite.any() else 0.0 for x in (error, uncertainty)
    ]
    return Quality(
        rank=float(ranks[:, 0] @ ranks[:, 1] / norm) if norm else 0.0,
        found=len(np.intersect1d(worst, doubted)) / count,
        ratio=float(np.sqrt(squares[0] / squares[1])) if squares[1] else np.inf,
    )


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks, equal values having the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[place.reshape(-1)].astype(float)
