"""The energy of each type of atom that fits the labels best, added to what the network gives."""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from deepattn.config import ModelConfig
from deepattn.data import Batch, DataSet
from deepattn.errors import DataError
from deepattn.formats.weight_names import BIAS
from deepattn.statistics.stat_file import StatFile

log = logging.getLogger(__name__)

# Compositions this close to a fixed ratio distinguish new elements from known ones no better than
# the noise of the labels allows.
_NEARLY_FIXED = 1e-3

Predict = Callable[[dict[str, np.ndarray]], np.ndarray]


class EnergyFit(NamedTuple):
    """A least-squares fit of energies by composition.

    Attributes:
        bias: Energy of each type (eV), ``[ntypes]``.
        spread: Standard deviation of the residuals (eV).
        rmse: Root mean square of the residuals per atom (eV/atom).
    """

    bias: np.ndarray
    spread: float
    rmse: float


def composition(atype: np.ndarray, ntypes: int, excluded: Sequence[int] = ()) -> np.ndarray:
    """Atoms of each type in each frame, float64 ``[nframes, ntypes]``; virtual ones not counted,
    nor those of excluded types."""
    number = (atype[:, :, None] == np.arange(ntypes)).sum(axis=1).astype(np.float64)
    number[:, list(excluded)] = 0.0
    return number


def fit_energies(
    counts: np.ndarray,
    energies: np.ndarray,
    *,
    assigned: np.ndarray | None = None,
    fresh: np.ndarray | None = None,
    rcond: float | None = None,
) -> EnergyFit:
    """Solve ``counts @ bias = energies``, one equation per frame, with the smallest ``bias``.

    A type that no frame has gets 0; types that come only in a fixed ratio share accordingly, but
    that ``fresh`` ones take what they can off the others.

    Args:
        counts: Composition, ``[nframes, ntypes]``.
        energies: Labels (eV), ``[nframes]``.
        assigned: Energies not to fit (eV), ``[ntypes]``, NaN where the fit decides.
        fresh: Types whose energy may be anything, bool ``[ntypes]``; those of the others shall be
            small. None for all the same.
        rcond: Singular values below this fraction of the largest count as zero; by default
            machine precision times the larger dimension.
    """
    free = np.ones(counts.shape[1], bool) if assigned is None else np.isnan(assigned)
    bias = np.zeros(counts.shape[1]) if assigned is None else np.where(free, 0.0, assigned)
    rest = energies - counts @ bias
    matrix = np.where(free, counts, 0.0)
    solution, _, rank, _ = np.linalg.lstsq(matrix, rest, rcond=rcond)
    if fresh is not None:
        solution = _relieve(solution, matrix, rank, ~fresh)
    bias = np.where(free, solution, bias)
    residual = energies - counts @ bias
    per_atom = residual / np.maximum(counts.sum(axis=1), 1)
    return EnergyFit(bias, float(residual.std()), float(np.sqrt(np.mean(per_atom**2))))


def _relieve(solution: np.ndarray, matrix: np.ndarray, rank: int, others: np.ndarray) -> np.ndarray:
    """Of all solutions that fit as well, the one in which those of ``others`` are smallest."""
    _, _, directions = np.linalg.svd(np.linalg.qr(matrix, mode="r"))
    unseen = directions[rank:].T
    return solution - unseen @ np.linalg.pinv(unseen[others]) @ solution[others]


def energy_bias(
    batches: Iterable[Batch],
    ntypes: int,
    *,
    assigned: Sequence[float | None] | None = None,
    excluded: Sequence[int] = (),
    rcond: float | None = None,
    stat_file: StatFile | None = None,
) -> np.ndarray:
    """The bias to begin a training with (eV), ``[ntypes]``.

    Args:
        batches: A sample of the training data. Frames without an energy take no part; without
            any energy the bias is zero where it is not assigned.
        ntypes: Number of types.
        assigned: Energies that the user sets (``atom_ener``, ``preset_out_bias``); None in the
            list leaves a type to the fit.
        excluded: Types whose atoms have no energy.
        rcond: See :func:`fit_energies`.
        stat_file: Cache to take the bias from, or to keep it in.

    Raises:
        DataError: If the cached bias is of another number of types.
    """
    cached = None if stat_file is None else stat_file.read_bias()
    if stat_file is not None and cached is not None:
        if cached.shape != (ntypes,):
            raise DataError(
                f"stat_file {stat_file.path} has the energy bias of {len(cached)} types, not "
                f"{ntypes}"
            )
        return cached
    fixed = np.full(ntypes, np.nan)
    if assigned is not None:
        fixed[:] = [np.nan if value is None else value for value in assigned]
    counts, energies = [np.zeros((0, ntypes))], [np.zeros(0)]
    observed = np.zeros(ntypes)
    for inputs, labels in batches:
        number = composition(inputs["atype"], ntypes, excluded)
        observed += number.sum(axis=0)
        if "energy" in labels:
            known = labels["find_energy"] > 0
            counts.append(number[known])
            energies.append(labels["energy"][known])
    labeled = np.concatenate(energies)
    if not labeled.size:
        log.info("no frame of the sample has an energy: the energy bias is zero")
        return np.nan_to_num(fixed)
    fit = fit_energies(np.concatenate(counts), labeled, assigned=fixed, rcond=rcond)
    log.info(
        "RMSE of energy per atom after linear regression is: %s in the unit of energy.", fit.rmse
    )
    if stat_file is not None:
        stat_file.write_bias(fit.bias, fit.spread, np.flatnonzero(observed).tolist())
    return fit.bias


def bias_weights(
    batches: Callable[[], Iterable[Batch]], model: ModelConfig, stat_file: StatFile | None
) -> dict[str, np.ndarray]:
    """The energy bias as weights, for a training from scratch.

    Args:
        batches: Gives a sample of the training data.
        model: The ``model`` section.
        stat_file: See :func:`energy_bias`.
    """
    assigned = model.fitting_net.isolated or (model.preset_out_bias or {}).get("energy")
    if model.atom_exclude_types and stat_file is not None:
        log.warning("stat_file does not record atom_exclude_types: the energy bias is not cached")
        stat_file = None
    # Virtual atoms in the data take part, and their energies are then those of their hosts.
    spin = model.listed_spin
    bias = energy_bias(
        batches(),
        model.ntypes,
        assigned=assigned,
        excluded=model.atom_exclude_types if spin is None else (),
        rcond=model.fitting_net.rcond,
        stat_file=stat_file,
    )
    return {BIAS: bias if spin is None else spin.merged(bias)}


def change_by_statistic(
    dataset: DataSet,
    predict: Predict,
    bias: np.ndarray,
    *,
    names: Sequence[str],
    target_types: Sequence[str],
    nsample: int,
    new_types: Sequence[str] = (),
    excluded: Sequence[int] = (),
) -> np.ndarray:
    """The bias of a trained model, shifted to make up for its errors on other data.

    Solves ``Σ_t n_ft δ_t = E_f(label) − E_f(model)`` over some frames of every system, for the
    target types only, and adds δ. A target type that no frame has keeps its bias, and so do all
    others.

    Args:
        dataset: The new data, in the types of the model.
        predict: Gives the energies ``[nframes]`` (eV) of model inputs, with the bias as it is.
        bias: Bias of each type of the model (eV), ``[ntypes]``.
        names: Names of the types of the model, or their numbers.
        target_types: Those of the types to shift.
        nsample: Frames to take of each system, at random; all if zero or less.
        new_types: Target types that the model was not trained on: where the data cannot determine
            whose energy is amiss, it is theirs.
        excluded: Types whose atoms have no energy.

    Returns:
        The new bias, ``[ntypes]``.

    Raises:
        DataError: If a frame has an atom of a type that is not a target.
    """
    targets = [names.index(name) for name in target_types]
    log.info(
        "Changing energy bias in pretrained model for types %s... (this step may take long time)",
        list(target_types),
    )
    counts, missing = sample_errors(
        *(dataset, predict), nsample=nsample, targets=targets, names=names, excluded=excluded
    )
    if not missing.size:
        log.info("no frame has an energy: the energy bias stays as it is")
        return np.array(bias, np.float64)
    fresh = np.isin(target_types, new_types) if new_types else None
    rcond = _NEARLY_FIXED if new_types else None
    fit = fit_energies(counts[:, targets], missing, fresh=fresh, rcond=rcond)
    changed = np.array(bias, np.float64)
    changed[targets] += fit.bias
    log.info("RMSE of atomic energy after linear regression is: %s eV/atom.", fit.rmse)
    log.info(
        "Change energy bias of %s from %s to %s.",
        list(target_types),
        np.asarray(bias)[targets].tolist(),
        changed[targets].tolist(),
    )
    return changed


def sample_errors(
    dataset: DataSet,
    predict: Predict,
    *,
    nsample: int,
    targets: Sequence[int],
    names: Sequence[str],
    excluded: Sequence[int] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """Errors of predicted energies on some frames of every system, those without energy left out.

    Args:
        dataset: The data.
        predict: See :func:`change_by_statistic`.
        nsample: Frames to take of each system, at random; all if zero or less.
        targets: Types that the frames may have.
        names: Names of all types of the model, or their numbers.
        excluded: Types whose atoms have no energy, and do not count.

    Returns:
        Compositions ``[nframes, ntypes]``, and labels less predictions (eV), ``[nframes]``.

    Raises:
        DataError: If a frame has an atom of a type that is not a target.
    """
    ntypes = len(names)
    counts, errors = [np.zeros((0, ntypes))], [np.zeros(0)]
    for index, system in enumerate(dataset.systems):
        for draw in dataset.random_frames(index, nsample):
            inputs, labels = dataset.batch([draw])
            everything = composition(inputs["atype"], ntypes)
            _refuse_others(system.path, everything, targets, names)
            number = composition(inputs["atype"], ntypes, excluded)
            known = labels["find_energy"] > 0
            if known.any():
                error = labels["energy"] - np.asarray(predict(inputs), np.float64)
                counts.append(number[known])
                errors.append(error[known])
    return np.concatenate(counts), np.concatenate(errors)


def _refuse_others(
    path: str, number: np.ndarray, targets: Sequence[int], type_map: Sequence[str]
) -> None:
    others = sorted(set(np.flatnonzero(number.any(axis=0)).tolist()) - set(targets))
    if others:
        names = ", ".join(type_map[index] for index in others)
        raise DataError(
            f"{path} has atoms of {names}, which are missing from the input's type_map "
            f"{[type_map[index] for index in targets]}; add them"
        )
