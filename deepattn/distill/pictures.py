"""The pictures of a report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from deepattn.distill.labeled import LabeledFrames, read_labeled
from deepattn.distill.potential import Labels
from deepattn.distill.rdf import radial_distribution
from deepattn.distill.result import DistillResult
from deepattn.distill.workdir import read_frames
from deepattn.plots.distillation import draw_deviations, draw_distributions, draw_rounds
from deepattn.plots.parity import draw_parity


def draw_pictures(result: DistillResult) -> Iterator[tuple[str, Path]]:
    """Draw all available pictures into the working folder; yields captions and files."""
    path = result.workdir.path
    validations = [parts["verdict"] for parts in result.rounds]
    force = [np.nan if v["force"] is None else v["force"] for v in validations]
    frames = [parts["train"]["frames"] for parts in result.rounds]
    if np.isfinite(force).any():
        yield (
            "Force RMSE on new frames, by round",
            draw_rounds(force, frames, result.config.threshold, path("rounds.png")),
        )
        select = result.config.select
        found = [np.array(validation["deviations"]) for validation in validations]
        yield (
            f"{select.quantity.capitalize()} on new frames, by round",
            draw_deviations(
                *(found, select.low, select.high, path("deviations.png")),
                quantity=select.quantity,
            ),
        )
    last = len(result.rounds) - 1
    if result.errors["force"] is not None:
        validation = read_labeled(path(f"round-{last:02d}", "judged"))
        panels = _parity(validation, result.student.evaluate(validation.frames))
        yield (
            "Student against teacher, on frames that the student was not trained on",
            draw_parity(panels, path("parity.png")),
        )
    moved = _same_time(
        read_frames(path("round-00", "seed.extxyz")),
        read_frames(path(f"round-{last:02d}", "explored.extxyz")),
    )
    teacher, student = (radial_distribution(frames) for frames in moved)
    if teacher.g and student.g:
        yield (
            "Radial distribution functions of both models' dynamics, averaged over all "
            "temperatures and pressures, at the same times from the same initial structures",
            draw_distributions(teacher.r, teacher.g, student.g, path("rdf.png")),
        )


def _same_time(*explorations: Sequence[Atoms]) -> list[list[Atoms]]:
    """Frames of dynamics from the second half of the shortest of several explorations."""
    moved = [[a for a in frames if a.info["origin"] == "dynamics"] for frames in explorations]
    end = min(max((a.info["step"] for a in frames), default=0) for frames in moved)
    return [[a for a in frames if end / 2 <= a.info["step"] <= end] for frames in moved]


def _parity(
    validation: LabeledFrames, predicted: Sequence[Labels]
) -> dict[str, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Panels of `draw_parity`."""
    pairs = list(zip(validation.labels, predicted, strict=True))
    virials = [
        (a.virial / len(a.force), b.virial / len(a.force))
        for a, b in pairs
        if a.virial is not None and b.virial is not None
    ]
    columns: dict[str, Sequence[tuple[Any, Any]]] = {
        "e_peratom": [(a.energy / len(a.force), b.energy / len(a.force)) for a, b in pairs],
        "f": [(a.force, b.force) for a, b in pairs],
        "v_peratom": virials,
    }
    panels = {}
    for kind, both in columns.items():
        if both:
            label, student = (
                np.concatenate([np.ravel(x) for x in side]) for side in zip(*both, strict=True)
            )
            panels[kind] = {"student": (label, student)}
    return panels
