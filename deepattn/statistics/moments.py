"""Mean and spread of environment matrices and of parameters over a sample of the training data."""

import logging
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from deepattn.data import Batch
from deepattn.statistics.env_mat import EnvMatShape, EnvMatSums, env_mat_sums
from deepattn.statistics.stat_file import StatFile

log = logging.getLogger(__name__)

# The environment matrix is never divided by less than this.
_ENV_MAT_PROTECT = 1e-2


class InputStatistics(NamedTuple):
    """Mean and spread of an environment matrix, which normalize it: ``(R − davg) / dstd``.

    Attributes:
        davg: Average, ``[ntypes, columns * nnei]``.
        dstd: Spread, ``[ntypes, columns * nnei]``.
        seen: Which types the sample has atoms of, bool ``[ntypes]``.
    """

    davg: np.ndarray
    dstd: np.ndarray
    seen: np.ndarray


def input_statistics(
    batches: Iterable[Batch],
    shape: EnvMatShape,
    *,
    set_davg_zero: bool,
    stat_file: StatFile | None = None,
) -> InputStatistics:
    """``davg`` and ``dstd`` of the environment matrix, both ``[ntypes, columns * nnei]``.

    For each type of the central atom: mean and spread of the radial column, spread of the three
    angular ones about their common mean (which is not subtracted), the same in every slot. Atoms
    are selected by their type, in whatever order a frame has them. A type that the sample lacks
    gets mean 0 and the spread ``shape.unseen``.

    Args:
        batches: A sample of the training data.
        shape: The environment matrix.
        set_davg_zero: Whether to subtract nothing. The spread is about the true mean anyway.
        stat_file: Cache to take the sums from, or to keep them in. It cannot distinguish excluded
            pairs or a protection, so with any it is left alone.
    """
    sums = input_sums(batches, shape, stat_file=stat_file)
    return normalization(sums, shape, set_davg_zero=set_davg_zero)


def input_sums(
    batches: Iterable[Batch], shape: EnvMatShape, *, stat_file: StatFile | None = None
) -> EnvMatSums:
    """Sums over the environment matrix of a sample; those of several samples can be added.

    Args:
        batches: See :func:`input_statistics`.
        shape: The environment matrix.
        stat_file: See :func:`input_statistics`.
    """
    unrecorded = {"exclude_types": shape.exclude_types, "env_protection": shape.protection}
    if any(unrecorded.values()) and stat_file is not None:
        names = " and ".join(name for name, value in unrecorded.items() if value)
        log.warning("stat_file does not record %s: the descriptor is not cached", names)
        stat_file = None
    sums = None if stat_file is None else stat_file.read_env_mat(shape)
    if sums is None:
        sums = env_mat_sums(batches, shape)
        if stat_file is not None:
            stat_file.write_env_mat(shape, sums)
    return sums


def parameter_statistics(
    batches: Iterable[Batch],
    name: str,
    *,
    protect: float,
    stat_file: StatFile | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and inverse spread of frame or atomic parameters, each ``[width]``.

    Args:
        batches: A sample of the training data.
        name: ``"fparam"`` or ``"aparam"``; of the latter, virtual atoms do not count.
        protect: Least spread to divide by (``data_stat_protect``).
        stat_file: Cache to take the sums from, or to keep them in.
    """
    sums = parameter_sums(batches, name, stat_file=stat_file)
    return mean_and_inverse(sums, protect=protect)


def parameter_sums(
    batches: Iterable[Batch], name: str, *, stat_file: StatFile | None = None
) -> np.ndarray:
    """Number, Σ and Σ² of each parameter, ``[width, 3]``; those of several samples can be added.

    Args:
        batches: See :func:`parameter_statistics`.
        name: See :func:`parameter_statistics`.
        stat_file: See :func:`parameter_statistics`.
    """
    sums = None if stat_file is None else stat_file.read_parameters(name)
    if sums is None:
        rows = np.concatenate([_parameter_rows(inputs, name) for inputs, _ in batches])
        number = np.full(rows.shape[1], float(len(rows)))
        sums = np.stack([number, rows.sum(axis=0), np.square(rows).sum(axis=0)], axis=1)
        if stat_file is not None:
            stat_file.write({name: sums})
    return sums


def mean_and_inverse(sums: np.ndarray, *, protect: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean and inverse spread from what :func:`parameter_sums` gives."""
    mean, spread = _moments(sums[:, 0], sums[:, 1:])
    return mean, 1 / np.maximum(spread, protect)


def _parameter_rows(inputs: dict[str, np.ndarray], name: str) -> np.ndarray:
    return inputs["aparam"][inputs["atype"] >= 0] if name == "aparam" else inputs["fparam"]


def normalization(sums: EnvMatSums, shape: EnvMatShape, *, set_davg_zero: bool) -> InputStatistics:
    """``davg`` and ``dstd`` from the sums."""
    seen = sums.number > 0
    mean, radial = _moments(sums.number, sums.radial)
    _, angular = _moments(sums.number, sums.angular)
    spread = np.stack([radial, angular, angular, angular], axis=1)
    unseen = 1 / shape.rcut if shape.unseen is None else shape.unseen
    spread = np.where(seen[:, None], np.maximum(spread, _ENV_MAT_PROTECT), unseen)
    average = np.zeros((shape.ntypes, 4))
    if not set_davg_zero:
        average[:, 0] = mean
    average, spread = (np.tile(rows[:, : shape.columns], shape.nnei) for rows in (average, spread))
    return InputStatistics(average, spread, seen)


def _moments(number: np.ndarray, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation from Σ and Σ²; zero where nothing was summed."""
    divisor = np.maximum(number, 1)
    mean = sums[:, 0] / divisor
    # Rounding can leave the variance of a constant just below zero.
    return mean, np.sqrt(np.maximum(sums[:, 1] / divisor - mean**2, 0))
