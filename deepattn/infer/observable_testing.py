"""Errors of models of observables on labeled systems: the work of ``deepattn test`` for them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from deepattn import infer
from deepattn.config import FittingConfig
from deepattn.data import System
from deepattn.errors import DataError
from deepattn.infer.deep_observable import DeepObservable
from deepattn.infer.labeled import read_frames
from deepattn.infer.report import SystemErrors
from deepattn.infer.statistics import Errors
from deepattn.infer.testing import chunks
from deepattn.models.files import ModelFile, open_model_file


@dataclass
class ObservableReport:
    """Errors of a model of an observable, by system and altogether.

    Attributes:
        model: The file.
        kind: The kind of its fitting.
        systems: Errors of each system, in the order they were tested.
    """

    model: str
    kind: type[FittingConfig]
    systems: list[SystemErrors] = field(default_factory=list)

    @property
    def average(self) -> Errors:
        """Errors of all systems together; as in ``dp test`` without those of single systems."""
        parts = [system.errors for system in self.systems]
        merged = merge_observable_errors(parts)
        return {name: e for name, e in merged.items() if name not in self.kind.errors_of_systems}

    def lines(self, errors: Errors) -> list[str]:
        """The errors as the lines of text that ``dp test`` prints."""
        known = self.kind.test_lines
        return [line.format(errors[name][0]) for name, line in known.items() if name in errors]

    def to_json(self) -> str:
        """All errors."""
        return json.dumps(
            {
                "model": self.model,
                "average": {name: value for name, (value, _) in self.average.items()},
                "systems": [
                    {
                        "system": system.path,
                        "frames": system.nframes,
                        **{name: value for name, (value, _) in system.errors.items()},
                    }
                    for system in self.systems
                ],
            },
            indent=1,
            ensure_ascii=False,
        )


def measure_observables(
    model: ModelFile | str | os.PathLike,
    systems: Sequence[str],
    *,
    head: str | None = None,
    numb_test: int = 0,
    shuffle: bool = False,
    seed: int | None = None,
    atomic: bool = False,
    before: Callable[[str], None] = lambda path: None,
    after: Callable[[ObservableReport, SystemErrors], None] = lambda report, errors: None,
) -> ObservableReport:
    """Compare a model of an observable with the labels of systems.

    Args:
        model: A model file.
        systems: Paths of the systems, as `deepattn.data.find_systems` gives them.
        head: Name or alias of the branch of a multi-task checkpoint.
        numb_test: Frames of each system to take at most; 0 takes all.
        shuffle: Whether to shuffle the frames before that.
        seed: Seed of the shuffling; None draws one.
        atomic: Whether to compare the contributions of the atoms: of tensors in place of the sums,
            of others too.
        before: Is called with the path of each system before its frames are read.
        after: Is called with the report and the errors of each system.

    Returns:
        The errors by system and altogether.

    Raises:
        DataError: A system is damaged or lacks the labels that are to be compared.
        ModelFileError: The model cannot be read or run.
    """
    file = open_model_file(model, head)
    kind = file.fitting_kind
    random = np.random.RandomState(None if seed is None else seed % 2**32)
    report = ObservableReport(str(file.path), kind)
    reader: type[DeepObservable] = getattr(infer, kind.reader)
    with reader(file) as deep:
        for path in systems:
            before(path)
            system = System(path, type_map=deep.get_type_map())
            frames = np.arange(system.nframes)
            if shuffle:
                random.shuffle(frames)
            frames = frames[: numb_test or None]
            parts = [_errors(deep, system, piece, atomic) for piece in chunks(frames, system)]
            errors = SystemErrors(path, len(frames), merge_observable_errors(parts))
            report.systems.append(errors)
            after(report, errors)
    return report


def merge_observable_errors(parts: Sequence[Errors]) -> Errors:
    """Combine the errors of several sets of frames into those of all of them together."""
    merged: Errors = {}
    for name in dict.fromkeys(name for part in parts for name in part):
        values, weights = np.array([part[name] for part in parts if name in part]).T
        power = 1 if name.startswith("mae") else 2
        mean = (values**power * weights).sum() / weights.sum()
        merged[name] = (float(mean ** (1 / power)), float(weights.sum()))
    return merged


def _errors(deep: DeepObservable, system: System, frames: np.ndarray, atomic: bool) -> Errors:
    """Errors of some frames of a system, by the names of `FittingConfig.test_lines`."""
    observable = deep.observable
    of_frames = not (atomic and deep.compares_atoms_alone)
    wanted = [observable.label] if of_frames else []
    wanted += [observable.atomic_label] if atomic else []
    inputs, labels = read_frames(deep, system, frames, wanted)
    for label in wanted:
        if not labels[f"find_{label.name}"].all():
            raise DataError(f"system {system.path} has no {label.name}, which is to be compared")
    found = deep.evaluate(inputs, atomic=atomic)
    chosen = inputs.atype >= 0
    if observable.types is not None:
        chosen &= np.isin(inputs.atype, observable.types)
    errors: Errors = {}
    if of_frames:
        error = found[observable.name] - labels[observable.name]
        natoms = np.count_nonzero(chosen, axis=1)[:, None]
        errors |= _of("", error)
        if natoms.all():
            errors |= _of("_n", error / natoms) | _of("_sqrtn", error / np.sqrt(natoms))
    if atomic and chosen.any():
        atoms = observable.atomic_name
        errors |= _of("_atom", (found[atoms] - labels[atoms])[chosen])
    return errors


def _of(ending: str, error: np.ndarray) -> Errors:
    mae, rmse = np.abs(error).mean(), np.sqrt(np.square(error).mean())
    return {f"mae{ending}": (float(mae), error.size), f"rmse{ending}": (float(rmse), error.size)}
