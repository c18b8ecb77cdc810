"""The model deviation of an ensemble on systems: the work of ``deepattn model-devi``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import NamedTuple

import numpy as np

from deepattn.data import System
from deepattn.errors import DataError
from deepattn.formats.files import check_folder, write_whole
from deepattn.infer.deep_pot import DeepPot
from deepattn.infer.deviation import COLUMNS, model_deviation
from deepattn.infer.labeled import read_frames
from deepattn.infer.uncertainty import UNCERTAINTIES
from deepattn.models.files import ModelFile

_FRAMES_AT_ONCE = 64
# Of a single model: the largest expected error of a force, eV/Å, and the largest distance.
UNCERTAINTY_COLUMNS = ("max_unc_f", "max_dist")
_LABELS = ("energy", "force", "virial")


class FrameDeviations(NamedTuple):
    """The model deviation on some frames of a system.

    Attributes:
        system: the system.
        steps: step of each frame in the run that it is from, ``[n]``.
        values: results of `model_deviation` by name.
    """

    system: System
    steps: np.ndarray
    values: dict[str, np.ndarray]


def deviation_on_systems(
    models: Sequence[ModelFile | str | os.PathLike],
    systems: Sequence[str],
    *,
    head: str | None = None,
    names: Sequence[str] | None = None,
    with_labels: bool = False,
    relative: float | None = None,
    relative_v: float | None = None,
    frequency: int = 1,
    uncertainty: bool | str | os.PathLike = False,
) -> Iterator[FrameDeviations]:
    """Compute the model deviation on all frames of systems, some frames at a time.

    Args:
        models: model files with one type map.
        systems: paths of the systems.
        head: name or alias of the branch of multi-task checkpoints.
        names: names of the types in data that do not name them.
        with_labels: compare the models with the labels, not with one another; NaN where there is
            no label.
        relative: as for `model_deviation`.
        relative_v: as for `model_deviation`.
        frequency: steps from one frame to the next in data that do not say.
        uncertainty: whether to add what the first model estimates itself, by the names of
            `UNCERTAINTY_COLUMNS`; or the file of its uncertainties.

    Raises:
        DataError: the type maps differ, or a system is damaged.
        ModelFileError: a model cannot be read or run.
    """
    with ExitStack() as stack:
        path = None if isinstance(uncertainty, bool) else uncertainty
        potentials = [
            stack.enter_context(DeepPot(model, head=head, uncertainty=path if first else None))
            for first, model in zip([True, *[False] * len(models)], models, strict=False)
        ]
        if uncertainty:
            potentials[0].uncertainty  # noqa: B018  # is it there? Before the work
        type_map = potentials[0].type_names
        for potential in potentials:
            if potential.type_names != type_map:
                raise DataError(
                    f"{potential.model_file} has the type map {potential.type_names}, but "
                    f"{potentials[0].model_file} has {type_map}; models are compared type by type"
                )
        opened = [
            System(path, type_map=type_map, names=names, labeled=with_labels) for path in systems
        ]
        for system in opened:
            if not system.nframes:
                yield FrameDeviations(system, np.zeros(0, int), {})
            for first in range(0, system.nframes, _FRAMES_AT_ONCE):
                frames = np.arange(first, min(first + _FRAMES_AT_ONCE, system.nframes))
                inputs, labels = read_frames(
                    potentials[0], system, frames, _LABELS if with_labels else ()
                )
                for label in _LABELS if with_labels else ():
                    labels[label][labels[f"find_{label}"] == 0] = np.nan
                predictions = [
                    potential.evaluate(inputs, uncertainty=bool(uncertainty and not number))
                    for number, potential in enumerate(potentials)
                ]
                values = model_deviation(
                    predictions,
                    atype=inputs.atype,
                    labels=labels if with_labels else None,
                    relative=relative,
                    relative_v=relative_v,
                )
                if uncertainty:
                    values |= _of_frames(predictions[0], inputs.atype)
                yield FrameDeviations(system, _steps(system, frames, frequency), values)


def write_deviation(
    path: str | os.PathLike,
    deviations: Iterator[FrameDeviations],
    *,
    atomic: bool = False,
    uncertainty: bool = False,
) -> int:
    """Write the model deviation as ``dp model-devi`` does.

    Args:
        path: the file.
        deviations: as from `deviation_on_systems`.
        atomic: whether to add a column for the force on every atom.
        uncertainty: whether to add `UNCERTAINTY_COLUMNS`, before those of the atoms.

    Returns:
        The number of systems.

    Raises:
        DataError: the folder of the file is missing.
    """
    check_folder(path)
    columns_of_frames = [*COLUMNS, *(UNCERTAINTY_COLUMNS if uncertainty else [])]
    names = [*columns_of_frames, *(["atm_devi_f(N)"] if atomic else [])]
    present, count = None, 0
    with write_whole(path, "w") as stream:
        for system, steps, values in deviations:
            if system is not present:
                present, count = system, count + 1
                head = "".join(f"{name:19s}" for name in names)
                stream.write(f"# {system.path}\n# {'step':10s}{head}\n")
            if not len(steps):
                continue
            columns = [values[name][:, None] for name in columns_of_frames]
            if atomic:
                columns.append(values["atm_devi_f"])
            for step, row in zip(steps, np.hstack(columns), strict=True):
                stream.write(f"{step:12d}{''.join(f'{x:19.6e}' for x in row)}\n")
    return count


def _of_frames(results: Mapping[str, np.ndarray], atype: np.ndarray) -> dict[str, np.ndarray]:
    """Largest uncertainty and distance of each frame."""
    values = (results[name] for name in UNCERTAINTIES)
    return {
        name: np.max(value, axis=1, where=atype >= 0, initial=0.0)
        for name, value in zip(UNCERTAINTY_COLUMNS, values, strict=True)
    }


def _steps(system: System, frames: np.ndarray, frequency: int) -> np.ndarray:
    """Steps of frames as they are stored, or counted where they are not."""
    stored = system.load("timestep", frames)[:, 0].astype(int)
    return np.where(system.has("timestep")[frames], stored, frames * frequency)
