"""Statistics of properties in the data: the unit that the net computes in, and its zero."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from deepattn.config import ModelConfig
from deepattn.data import Batch
from deepattn.fittings.property.config import PropertyFittingConfig
from deepattn.formats.weight_names import PROPERTY_MEAN, PROPERTY_SPREAD
from deepattn.statistics.output import output_statistics
from deepattn.statistics.stat_file import StatFile


def scale_weights(
    batches: Callable[[], Iterable[Batch]], model: ModelConfig, stat_file: StatFile | None
) -> dict[str, np.ndarray]:
    """Mean and spread of the contributions of each type.

    Args:
        batches: Gives a sample of the training data.
        model: The ``model`` section.
        stat_file: Not used.
    """
    section = model.fitting_net
    if not isinstance(section, PropertyFittingConfig):
        raise TypeError(f"these statistics are of the fitting property, not {section.type}")
    found = output_statistics(
        batches(),
        section.observable,
        model.ntypes,
        rcond=section.rcond,
        distinguish_types=section.distinguish_types,
    )
    return {PROPERTY_MEAN: found.mean, PROPERTY_SPREAD: found.spread}
