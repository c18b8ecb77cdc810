"""Making the uncertainty of a model: the work of ``deepattn uncertainty fit``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from deepattn.data import System
from deepattn.errors import DataError, ModelFileError
from deepattn.infer.deep_pot import DeepPot
from deepattn.infer.labeled import read_frames
from deepattn.models.files import ModelFile, open_model_file
from deepattn.progress import tracked
from deepattn.uncertainty import (
    Distance,
    Moments,
    Uncertainty,
    fit_basis,
    fit_calibration,
    measure_quality,
)

_FRAMES_AT_ONCE = 64
# Atoms that the directions of the descriptors are taken from.
_SAMPLE = 20_000
# Of the frames for calibration, each part is predicted from the others to see how good that is.
_PARTS = 4


def fit_uncertainty(
    model: ModelFile | str | os.PathLike,
    systems: Sequence[str],
    held_out: Sequence[str],
    *,
    head: str | None = None,
    seed: int = 0,
) -> Uncertainty:
    """Make the uncertainty of a model.

    Args:
        model: The model file that will be used; a frozen model needs an uncertainty of its own.
        systems: Paths of the systems it was trained on; labels are not needed.
        held_out: Paths of labeled systems it was not trained on, which expected errors are fitted
            to.
        head: Name or alias of the branch of a multi-task model.
        seed: Of the choice of atoms from which the directions of the descriptors are taken.

    Returns:
        The uncertainty, whose record holds ``held_out``: numbers of atoms, the `Quality` of
        ``force_error`` and ``distance``, and the share of atoms ``beyond`` a distance of 1. For
        these the frames are predicted in four parts, each from the others.

    Raises:
        DataError: There are no frames, the held-out frames have no forces, or data are damaged.
        ModelFileError: The model cannot be read, or does not give descriptors.
    """
    file = open_model_file(model, head)
    with DeepPot(file) as potential:
        if potential.has_spin or potential.get_ntypes_spin():
            raise ModelFileError(
                f"{file.path}: is a model of magnetic moments, for which there are no uncertainties"
            )
        type_map = potential.get_type_map()
        trained = [System(path, type_map=type_map, labeled=False) for path in systems]
        tested = [System(path, type_map=type_map) for path in held_out]
        distance = _fit_distance(potential, trained, seed)
        force, error, far, atype, frame = _held_out(potential, tested, distance)
    ntypes = len(distance.atoms)
    calibration = fit_calibration(error, far, force, atype, ntypes)
    expected = np.zeros(len(error))
    for part in range(_PARTS):
        apart = frame % _PARTS == part
        if apart.all() or not apart.any():
            expected[apart] = calibration(far, force, atype)[apart]
            continue
        others = fit_calibration(error[~apart], far[~apart], force[~apart], atype[~apart], ntypes)
        expected[apart] = others(far[apart], force[apart], atype[apart])
    record: dict[str, Any] = {
        "trained": {"atoms": int(distance.atoms.sum())},
        "held_out": {
            "atoms": len(error),
            "rmse": float(np.sqrt(np.mean(error**2))),
            "beyond": float(np.mean(far > 1)),
            "force_error": measure_quality(expected, error)._asdict(),
            "distance": measure_quality(far, error)._asdict(),
        },
    }
    return Uncertainty(
        model=file.digest(),
        head=file.chosen_branch(),
        type_map=tuple(type_map),
        distance=distance,
        calibration=calibration,
        record=record,
    )


def _fit_distance(potential: DeepPot, systems: Sequence[System], seed: int) -> Distance:
    """The distance from the atoms of all frames."""
    order = [(s, f) for s, system in enumerate(systems) for f in range(system.nframes)]
    if not order:
        raise DataError("the systems of the training have no frames")
    count, sample = 0, []
    for place in np.random.default_rng(seed).permutation(len(order)):
        if count >= _SAMPLE:
            break
        number, frame = order[place]
        sample.append((number, frame))
        count += systems[number].natoms
    chosen: dict[int, list[int]] = {}
    for number, frame in sorted(sample):
        chosen.setdefault(number, []).append(frame)
    pieces = [
        piece
        for number, frames in chosen.items()
        for piece in _descriptors(potential, systems[number], np.array(frames))
    ]
    if not sum(len(atype) for _, atype in pieces):
        raise DataError("the systems of the training have no atoms")
    basis = fit_basis(*(np.concatenate(parts) for parts in zip(*pieces, strict=True)))
    moments = Moments(basis, potential.get_ntypes())
    for system in tracked(systems, "descriptors"):
        for piece in _descriptors(potential, system, np.arange(system.nframes)):
            moments.add(*piece)
    return moments.distance()


def _descriptors(
    potential: DeepPot, system: System, frames: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Descriptors and types of the atoms of frames, some frames at a time."""
    for first in range(0, len(frames), _FRAMES_AT_ONCE):
        inputs, _ = read_frames(potential, system, frames[first : first + _FRAMES_AT_ONCE])
        real = inputs.atype >= 0
        yield potential.evaluate_descriptor(inputs)[real], inputs.atype[real]


def _held_out(
    potential: DeepPot, systems: Sequence[System], distance: Distance
) -> tuple[np.ndarray, ...]:
    """Forces, magnitudes of their errors, distances, types and numbers of frames of all atoms."""
    found: list[tuple[np.ndarray, ...]] = []
    count = 0
    for system in tracked(systems, "held-out frames"):
        for first in range(0, system.nframes, _FRAMES_AT_ONCE):
            frames = np.arange(first, min(first + _FRAMES_AT_ONCE, system.nframes))
            inputs, labels = read_frames(potential, system, frames, ("force",))
            known = (labels["find_force"] > 0)[:, None] & (inputs.atype >= 0)
            results = potential.evaluate(inputs, descriptor=True)
            force, label = results["force"], labels["force"].reshape(results["force"].shape)
            far = distance(results["descriptor"][known], inputs.atype[known])
            error = np.linalg.norm((force - label)[known], axis=1)
            numbers = np.broadcast_to((count + frames)[:, None], known.shape)
            found.append((force[known], error, far, inputs.atype[known], numbers[known]))
        count += system.nframes
    if not sum(len(error) for _, error, *_ in found):
        raise DataError("the held-out systems have no frames with forces")
    columns = [np.concatenate(parts) for parts in zip(*found, strict=True)]
    if not np.isfinite(columns[2]).any():
        raise DataError("no element of the held-out systems is in those of the training")
    return tuple(columns)
