"""Mean and spread of the contributions of the types to an observable, from its labels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from deepattn.config.observable import Observable
from deepattn.data import Batch
from deepattn.statistics.energy_bias import composition

# A spread below this fraction of the largest label is rounding, which is no unit to compute in.
_ROUNDING = 1e-10


class OutputStatistics(NamedTuple):
    """Statistics of an observable by type.

    Attributes:
        mean: ``[ntypes, width]``; 0 of a type without labels.
        spread: Standard deviation, ``[ntypes, width]``; 1 where labels do not differ, and of a
            type without labels.
    """

    mean: np.ndarray
    spread: np.ndarray


def output_statistics(
    batches: Iterable[Batch],
    observable: Observable,
    ntypes: int,
    *,
    rcond: float | None = None,
    distinguish_types: bool = True,
) -> OutputStatistics:
    """The statistics that DeePMD-kit's PyTorch backend gives a model.

    Labels of atoms give the mean and the spread over the atoms of each type. For other types labels
    of frames do: the mean solves ``Σ_t n_ft m_t = y_f`` by least squares, in fractions of atoms if
    the observable is intensive, and the spread is that of the residuals.

    Args:
        batches: A sample of the training data.
        observable: What is fitted.
        ntypes: Number of types.
        rcond: Singular values below this fraction of the largest count as zero.
        distinguish_types: Whether types have means of their own; otherwise all have that of the
            labels of frames, per atom unless the observable is intensive.
    """
    counts, frames = [np.zeros((0, ntypes))], [np.zeros((0, observable.width))]
    kinds, atoms = [np.zeros(0, np.int32)], [np.zeros((0, observable.width))]
    for inputs, labels in batches:
        known = labels[f"find_{observable.name}"] > 0
        number = composition(inputs["atype"], ntypes)
        if observable.types is not None:
            number[:, [kind for kind in range(ntypes) if kind not in observable.types]] = 0
        counts.append(number[known])
        frames.append(labels[observable.name][known])
        known = (labels[f"find_{observable.atomic_name}"] > 0)[:, None] & (inputs["atype"] >= 0)
        kinds.append(inputs["atype"][known])
        atoms.append(labels[observable.atomic_name][known])
    mean, spread = _of_frames(
        *(np.concatenate(counts), np.concatenate(frames), observable.intensive),
        rcond=rcond,
        distinguish_types=distinguish_types,
    )
    kind, values = np.concatenate(kinds), np.concatenate(atoms)
    for one in np.unique(kind):
        mean[one], spread[one] = values[kind == one].mean(axis=0), values[kind == one].std(axis=0)
    largest = max((np.abs(part).max() for part in (*frames, *atoms) if part.size), default=0.0)
    return OutputStatistics(mean, np.where(spread > _ROUNDING * largest, spread, 1.0))


def _of_frames(
    counts: np.ndarray,
    values: np.ndarray,
    intensive: bool,
    *,
    rcond: float | None,
    distinguish_types: bool,
) -> tuple[np.ndarray, np.ndarray]:
    shape = (counts.shape[1], values.shape[1])
    if not len(values):
        return np.zeros(shape), np.ones(shape)
    natoms = counts.sum(axis=1, keepdims=True)
    if not distinguish_types:
        each = values if intensive else values / natoms
        return np.tile(each.mean(axis=0), (shape[0], 1)), np.tile(each.std(axis=0), (shape[0], 1))
    weights = counts / natoms if intensive else counts
    mean = np.linalg.lstsq(weights, values, rcond=rcond)[0]
    spread = (values - weights @ mean).std(axis=0)
    return mean, np.tile(spread, (shape[0], 1))
