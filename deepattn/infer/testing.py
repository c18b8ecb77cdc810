"""Errors of a model on labeled systems: the work of ``deepattn test``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from deepattn import limits
from deepattn.data import System
from deepattn.data.type_map import names_or_numbers
from deepattn.errors import DataError
from deepattn.infer.deep_pot import DeepPot
from deepattn.infer.details import DetailFiles
from deepattn.infer.inspect import Inspection
from deepattn.infer.labeled import read_frames
from deepattn.infer.report import SystemErrors, TestReport
from deepattn.infer.statistics import energy_errors, errors_by_element
from deepattn.models.files import ModelFile, open_model_file

_CHUNK_ATOMS = 1_000_000


def measure_errors(
    model: DeepPot | ModelFile | str | os.PathLike,
    systems: Sequence[str],
    *,
    head: str | None = None,
    numb_test: int = 0,
    shuffle: bool = False,
    seed: int | None = None,
    atomic: bool = False,
    detail_prefix: str | Path | None = None,
    before: Callable[[str], None] = lambda path: None,
    after: Callable[[SystemErrors], None] = lambda errors: None,
) -> TestReport:
    """Compare energies, forces and virials of a model with the labels of systems.

    Args:
        model: a model file, or a model that has been opened.
        systems: paths of the systems, as `deepattn.data.find_systems` gives them.
        head: name or alias of the branch of a multi-task checkpoint.
        numb_test: frames of each system to take at most; 0 takes all.
        shuffle: whether to shuffle the frames before that.
        seed: seed of the shuffling; None draws one.
        atomic: whether to compare atomic energies too.
        detail_prefix: if given, labels and predictions are written to the files of ``dp test -d``.
        before: is called with the path of each system before its frames are read.
        after: is called with the errors of each system.

    Returns:
        The errors by system, by element and altogether, with the worst frames and a sample of
        labels and predictions.

    Raises:
        DataError: a system is damaged or lacks the atomic energies that are to be compared.
        ModelFileError: the model cannot be read or run.

    Example:
        >>> report = measure_errors("frozen_model.pb", find_systems("data/valid"))
        >>> rmse, _ = report.average["rmse_f"]
    """
    facts = {}
    if not isinstance(model, DeepPot):
        file = open_model_file(model, head)
        facts = _facts(file, head)
        model = DeepPot(file)
        context: Any = model
    else:
        context = nullcontext()
    random = np.random.RandomState(None if seed is None else seed % 2**32)
    report = TestReport(model.model_file, facts=facts)
    with context, DetailFiles(detail_prefix) as details:
        names = names_or_numbers(model.get_type_map(), model.get_ntypes())
        for path in systems:
            before(path)
            system = System(path, type_map=model.type_names)
            frames = np.arange(system.nframes)
            if shuffle:
                random.shuffle(frames)
            frames = frames[: numb_test or None]
            parts = []
            for piece in chunks(frames, system):
                compared = _compared(model, system, piece, atomic)
                details.write(path, **compared)
                report.sample.add(**compared)
                report.worst.add(path, piece, **compared)
                by_element = errors_by_element(
                    compared["prediction"],
                    compared["labels"],
                    atype=compared["atype"],
                    type_map=names,
                )
                parts.append((energy_errors(**compared), by_element))
            after(report.add(path, len(frames), parts))
    return report


def _facts(file: ModelFile, head: str | None) -> dict[str, str]:
    """The description of a model on the page of a report."""
    facts = {
        **({"branch": head} if head else {}),
        "SHA-256": file.digest(),
        "types": " ".join(file.type_map()),
    }
    if file.weights() is not None:
        facts["parameters"] = f"{Inspection(file).size()['trained parameters']:,}"
    return facts


def _compared(model: DeepPot, system: System, frames: np.ndarray, atomic: bool) -> dict[str, Any]:
    """Predictions and labels of some frames, as the arguments of `energy_errors`."""
    names = ["energy", "force", "virial", "atom_pref", *(["atom_ener"] if atomic else [])]
    hessian = model.has_hessian and bool(system.has("hessian")[frames].any())
    names += ["hessian"] if hessian else []
    names += ["force_mag"] if model.has_spin else []
    inputs, labels = read_frames(model, system, frames, names)
    if atomic and not labels["find_atom_ener"].all():
        raise DataError(f"system {system.path} has no atom_ener, which --atomic compares")
    prediction = model.evaluate(inputs, atomic=atomic, hessian=hessian)
    if atomic:
        prediction["atom_ener"] = prediction.pop("atom_energy")
    if model.has_spin:
        prediction |= {"mask_mag": prediction["mask_mag"] > 0}
    elif model.get_ntypes_spin():
        # In the places of virtual atoms there are magnetic forces, of labels too.
        virtual = inputs.atype >= model.get_ntypes() - model.get_ntypes_spin()
        prediction |= {"force_mag": prediction["force"], "mask_mag": virtual, "mask": ~virtual}
        labels |= {"force_mag": labels["force"], "find_force_mag": labels["find_force"]}
    return {"prediction": prediction, "labels": labels, "atype": inputs.atype, "box": inputs.box}


def chunks(frames: np.ndarray, system: System) -> Iterator[np.ndarray]:
    """Frames of a system in pieces of as many atoms as ``DP_TEST_CHUNK_ATOMS`` says.

    Args:
        frames: Numbers of the frames.
        system: The system.

    Raises:
        DataError: The variable is no number.
    """
    text = os.environ.get("DP_TEST_CHUNK_ATOMS", str(_CHUNK_ATOMS))
    number = limits.whole_number(text)
    if number is None:
        raise DataError(f"the environment variable DP_TEST_CHUNK_ATOMS is {text!r}, not a number")
    return system.pieces(number, frames)
