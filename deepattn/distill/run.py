"""A distillation from its input to the student and the report."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ase import Atoms

from deepattn.distill.config import DistillConfig, read_distill
from deepattn.distill.potential import open_teacher
from deepattn.distill.result import DistillResult
from deepattn.distill.stages import Distillation
from deepattn.distill.structures import elements_of, read_structures
from deepattn.distill.student import normalize_student
from deepattn.distill.workdir import STRUCTURES, WorkDir, read_frames
from deepattn.errors import ConfigError, DataError
from deepattn.export import require_ops


def distill(
    teacher: str, input_file: str | os.PathLike, folder: str | os.PathLike = "distill"
) -> DistillResult:
    """Train a fast student to reproduce a slow teacher.

    Each round trains students on all labels there are, runs dynamics with one of them at the
    given temperatures and pressures, and has the teacher label the frames found. The last student
    is written to ``student.pb`` in the folder, with ``report.html`` and ``report.json``.

    If it is interrupted at any moment, the next call resumes it.

    Args:
        teacher: A model file, or ``module:callable`` that gives an ASE calculator.
        input_file: JSON or YAML, a section ``distill`` and the student's input.
        folder: Where everything is kept.

    Returns:
        The result.

    Raises:
        DeepattnError: Something is wrong with the input, the structures or the files.
    """
    config, student = read_distill(input_file)
    return run_distillation(teacher, config, student, folder, where=os.fspath(input_file))


def run_distillation(
    teacher: str,
    config: DistillConfig,
    student: dict[str, Any],
    folder: str | os.PathLike,
    *,
    where: str,
) -> DistillResult:
    """Do what `distill` does, with an input that has been read.

    Args:
        teacher, folder: As for `distill`.
        config: The section ``distill``.
        student: The student's input.
        where: Where both are from, for messages.

    Raises:
        DeepattnError: As for `distill`.
    """
    require_ops(fast=False)
    opened = open_teacher(teacher)
    # Errors are found before a folder is created that a corrected input would not match.
    kept = Path(folder, STRUCTURES)
    structures = read_frames(kept) if kept.exists() else read_structures(config)
    record = {"teacher": opened.fingerprint, "distill": config.to_dict(), **student}
    names = student["model"].get("type_map") or elements_of(structures)
    student = {**student, "model": {**student["model"], "type_map": names}}
    check_elements(structures, opened.elements, names)
    try:
        normalize_student(student)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    with WorkDir(folder, record, free=config.free).claimed() as workdir:
        return Distillation(opened, structures, config, student, workdir).run()


def check_elements(
    structures: Sequence[Atoms], of_teacher: Sequence[str] | None, names: Sequence[str]
) -> None:
    """Check that all elements of structures are known.

    Args:
        structures: The structures.
        of_teacher: Elements of the teacher; None if it does not say.
        names: ``model/type_map``.

    Raises:
        DataError: One is not.
    """
    for known, whose in ((of_teacher, "the teacher"), (names, "model/type_map")):
        unknown = set(elements_of(structures)) - set(known or ())
        if unknown and known is not None:
            raise DataError(
                f"the structures contain {', '.join(sorted(unknown))}, which {whose} does not have"
            )
