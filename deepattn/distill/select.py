"""Which frames of an exploration the next student learns from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from deepattn.distill.config import SelectConfig


def select(
    deviations: np.ndarray, config: SelectConfig, *, seed: int | Sequence[int]
) -> np.ndarray:
    """Select frames by how much the models deviate on them.

    Random ones of those between ``low`` and ``high``. If there is none of these but frames above
    ``high``, the student has gone astray, and the least deviating of them bring it back.

    Args:
        deviations: largest deviation of a force in each frame, eV/Å.
        config: limits and number of frames.
        seed: of the random choice.

    Returns:
        Numbers of the frames, rising.
    """
    between = np.flatnonzero((deviations >= config.low) & (deviations <= config.high))
    if len(between) > config.frames:
        between = np.random.default_rng(seed).choice(between, config.frames, replace=False)
    if len(between):
        return np.sort(between)
    above = np.flatnonzero(deviations > config.high)
    return np.sort(above[np.argsort(deviations[above], kind="stable")[: config.frames]])
