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
    between = np.flatnonzero((deviations >= config.low) & (deviations <= config.high))
    if len(between) > config.frames:
        between = np.random.default_rng(seed).choice(between, config.frames, replace=False)
    if len(between):
        return np.sort(between)
    above = np.flatnonzero(deviations > config.high)
    return np.sort(above[np.argsort(deviations[above], kind="stable")[: config.frames]])
