"""Selection of frames of an exploration for the next training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from deepattn.distill.config import SelectConfig


def select(
    deviations: np.ndarray, config: SelectConfig, *, seed: int | Sequence[int]
) -> np.ndarray:
    """Select frames by their model deviation.

    Random ones of those between ``low`` and ``high``. If there is none of these but frames above
    ``high``, the student is far off, and the frames of smallest deviation are selected.

    Args:
        deviations: Largest deviation of a force in each frame, eV/Å.
        config: Limits and number of frames.
        seed: Of the random choice.

    Returns:
        Numbers of the frames, rising.
    """
    rows = candidates(deviations, config)
    if len(rows) > config.frames:
        rows = np.random.default_rng(seed).choice(rows, config.frames, replace=False)
    return np.sort(rows)


def candidates(deviations: np.ndarray, config: SelectConfig) -> np.ndarray:
    """Numbers of the frames that may be selected, rising: all between the limits.

    If there is none of these but frames above ``high``, as many of the smallest deviation as are
    wanted.

    Args:
        deviations, config: As for `select`.
    """
    between = np.flatnonzero((deviations >= config.low) & (deviations <= config.high))
    if len(between):
        return between
    above = np.flatnonzero(deviations > config.high)
    return np.sort(above[np.argsort(deviations[above], kind="stable")[: config.frames]])
