"""Dipole moments have no statistics: a mean that is added would not turn with the frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from deepattn.config import ModelConfig
from deepattn.data import Batch
from deepattn.statistics.stat_file import StatFile


def no_weights(
    batches: Callable[[], Iterable[Batch]], model: ModelConfig, stat_file: StatFile | None
) -> dict[str, np.ndarray]:
    """No weights.

    Args:
        batches, model, stat_file: Not used.
    """
    return {}
