"""Statistics of polarizabilities in the data: their mean of each type, which is isotropic."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from deepattn.config import ModelConfig
from deepattn.data import Batch
from deepattn.fittings.polar.config import PolarFittingConfig
from deepattn.fittings.polar.graph import SHIFT
from deepattn.statistics.energy_bias import composition
from deepattn.statistics.output import output_statistics
from deepattn.statistics.stat_file import StatFile


def shift_weights(
    batches: Callable[[], Iterable[Batch]], model: ModelConfig, stat_file: StatFile | None
) -> dict[str, np.ndarray]:
    """The shift of the diagonal of each type, a third of the trace of the mean polarizability.

    Args:
        batches: Gives a sample of the training data.
        model: The ``model`` section.
        stat_file: Not used.
    """
    section = model.fitting_net
    if not isinstance(section, PolarFittingConfig):
        raise TypeError(f"these statistics are of the fitting polar, not {section.type}")
    shift = np.zeros(model.ntypes)
    if section.shift_diag:
        types = list(range(model.ntypes)) if section.chosen is None else list(section.chosen)
        if model.is_common:
            found = output_statistics(batches(), section.observable, model.ntypes)
            mean = found.mean[types]
        else:
            mean = _of_batches(batches(), types, model.ntypes)
        shift[types] = mean.reshape(-1, 3, 3).trace(axis1=1, axis2=2) / 3
    return {SHIFT: shift}


def _of_batches(batches: Iterable[Batch], types: list[int], ntypes: int) -> np.ndarray:
    """The mean of each type as DeePMD-kit's TensorFlow backend fits it, ``[types, 9]``.

    Each batch is one equation for all types, or one for each type if it has labels of atoms.
    """
    counts, values = [np.zeros((0, len(types)))], [np.zeros((0, 9))]
    for inputs, labels in batches:
        number = composition(inputs["atype"], ntypes)[:, types]
        atomic = labels["find_atom_polarizability"] > 0
        if atomic.any():
            counts.append(np.diag(number[atomic].mean(axis=0)))
            kinds = inputs["atype"][atomic]
            sums = [
                labels["atom_polarizability"][atomic][kinds == one].sum(axis=0) / len(kinds)
                for one in types
            ]
            values.append(np.array(sums))
        known = (labels["find_polarizability"] > 0) & ~atomic
        if known.any():
            counts.append(number[known].mean(axis=0, keepdims=True))
            values.append(labels["polarizability"][known].mean(axis=0, keepdims=True))
    return np.linalg.lstsq(np.concatenate(counts), np.concatenate(values), rcond=None)[0]
