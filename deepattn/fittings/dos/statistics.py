"""Statistics of densities of states in the data."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from deepattn.config import ModelConfig
from deepattn.data import Batch
from deepattn.fittings.dos.config import DosFittingConfig
from deepattn.fittings.dos.graph import BIAS_DOS
from deepattn.statistics.output import output_statistics
from deepattn.statistics.stat_file import StatFile


def bias_weights(
    batches: Callable[[], Iterable[Batch]], model: ModelConfig, stat_file: StatFile | None
) -> dict[str, np.ndarray]:
    """The bias of each type: zero in the TensorFlow convention, else that of the labels.

    Args:
        batches: Gives a sample of the training data.
        model: The ``model`` section.
        stat_file: Not used.
    """
    section = model.fitting_net
    if not isinstance(section, DosFittingConfig):
        raise TypeError(f"these statistics are of the fitting dos, not {section.type}")
    if not model.is_common:
        return {BIAS_DOS: np.zeros((model.ntypes, section.numb_dos))}
    found = output_statistics(batches(), section.observable, model.ntypes, rcond=section.rcond)
    return {BIAS_DOS: found.mean}
