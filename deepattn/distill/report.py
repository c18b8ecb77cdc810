"""What came of a distillation, as a page for people and figures for programs."""

from __future__ import annotations

import base64
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from deepattn.config import DistillConfig
from deepattn.distill.labelled import Labelled, read_labelled
from deepattn.distill.potential import Labels, ModelPotential, Potential
from deepattn.distill.rdf import radial_distribution
from deepattn.distill.workplace import Workplace, read_frames, write_json
from deepattn.formats.files import write_whole
from deepattn.infer.report import STYLE
from deepattn.plots.distillation import draw_deviations, draw_distributions, draw_rounds
from deepattn.plots.parity import draw_parity

_NONE = "–"


@dataclass(frozen=True)
class Outcome:
    """What came of a distillation.

    Attributes:
        teacher: the teacher.
        student: the last student.
        place: the working folder.
        rounds: figures of each round: those of its training, exploration and verdict.
        reason: why it ended.
        reached: whether the forces are as near to the teacher's as was wanted.
        config: the section ``distill``.
    """

    teacher: Potential
    student: ModelPotential
    place: Workplace
    rounds: list[dict[str, dict[str, Any]]]
    reason: str
    reached: bool
    config: DistillConfig

    @property
    def path(self) -> Path:
        """The student, beside the report."""
        return self.place.path(f"student{Path(self.student.name).suffix}")

    @property
    def verdict(self) -> dict[str, Any]:
        """Errors of the last student, on frames that it was not trained on."""
        return self.rounds[-1]["verdict"]


def write_report(outcome: Outcome) -> dict[str, Any]:
    """Write ``report.html``, ``report.json`` and the pictures into the working folder.

    Returns:
        What ``report.json`` holds.
    """
    figures = _figures(outcome)
    pictures = dict(_pictures(outcome))
    with write_whole(outcome.place.path("report.html"), "w") as file:
        file.write(_page(outcome, figures, pictures))
    write_json(outcome.place.path("report.json"), figures)
    return figures


def _figures(outcome: Outcome) -> dict[str, Any]:
    speeds = {
        "teacher": _speed(outcome.place.figures("round-00/seed")),
        "student": _speed(outcome.rounds[-1]["explored"]),
    }
    trained = Counter()
    for number in range(len(outcome.rounds)):
        data = read_labelled(outcome.place.path(f"round-{number:02d}", "data"))
        trained.update(atoms.get_chemical_formula("metal") for atoms in data.frames)
    rounds = [
        {
            "frames_trained_on": parts["train"]["frames"],
            **{key: parts["verdict"].get(key) for key in ("frames", "selected")},
            **{f"rmse_{key}": parts["verdict"].get(key) for key in ("energy", "force", "virial")},
            "runs": parts["explored"]["runs"],
            "stopped": parts["explored"]["stopped"],
            "seconds": sum(part["seconds"] for part in parts.values()),
        }
        for parts in outcome.rounds
    ]
    return {
        "teacher": outcome.teacher.name,
        "student": os.fspath(outcome.path),
        "reached": outcome.reached,
        "reason": outcome.reason,
        "units": {"energy": "eV/atom", "force": "eV/Å", "virial": "eV/atom"},
        "rounds": rounds,
        "atom_steps_per_second": speeds,
        "trained_on": dict(sorted(trained.items())),
        "hours": outcome.place.hours(),
    }


def _speed(explored: dict[str, Any]) -> float | None:
    seconds = explored.get("dynamics_seconds")
    return explored["atom_steps"] / seconds if seconds else None


def _pictures(outcome: Outcome) -> Iterator[tuple[str, Path]]:
    """Titles and files of what can be drawn."""
    path = outcome.place.path
    verdicts = [parts["verdict"] for parts in outcome.rounds]
    force = [np.nan if v["force"] is None else v["force"] for v in verdicts]
    frames = [parts["train"]["frames"] for parts in outcome.rounds]
    if np.isfinite(force).any():
        yield (
            "Error of the forces on new frames, by round",
            draw_rounds(force, frames, outcome.config.threshold, path("rounds.png")),
        )
        select = outcome.config.select
        found = [np.array(verdict["deviations"]) for verdict in verdicts]
        yield (
            "Deviations on new frames, by round",
            draw_deviations(found, select.low, select.high, path("deviations.png")),
        )
    last = len(outcome.rounds) - 1
    if outcome.verdict["force"] is not None:
        judged = read_labelled(path(f"round-{last:02d}", "judged"))
        panels = _parity(judged, outcome.student.evaluate(judged.frames))
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
            "Radial distribution functions of both models' dynamics, over all temperatures and "
            "pressures, the same time after the same start",
            draw_distributions(teacher.r, teacher.g, student.g, path("rdf.png")),
        )


def _same_time(*explorations: Sequence[Atoms]) -> list[list[Atoms]]:
    """Frames of dynamics from the second half of the shortest of several explorations."""
    moved = [[a for a in frames if a.info["origin"] == "dynamics"] for frames in explorations]
    end = min(max((a.info["step"] for a in frames), default=0) for frames in moved)
    return [[a for a in frames if end / 2 <= a.info["step"] <= end] for frames in moved]


def _parity(
    judged: Labelled, predicted: Sequence[Labels]
) -> dict[str, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Panels of `draw_parity`."""
    pairs = list(zip(judged.labels, predicted, strict=True))
    periodic = [(a, b) for a, b in pairs if a.virial is not None]
    columns = {
        "e_peratom": [(a.energy / len(a.force), b.energy / len(a.force)) for a, b in pairs],
        "f": [(a.force, b.force) for a, b in pairs],
        "v_peratom": [(a.virial / len(a.force), b.virial / len(a.force)) for a, b in periodic],
    }
    panels = {}
    for kind, both in columns.items():
        if both:
            sides = ([np.ravel(x) for x in side] for side in zip(*both, strict=True))
            panels[kind] = {"student": tuple(np.concatenate(side) for side in sides)}
    return panels


def _page(outcome: Outcome, figures: dict[str, Any], pictures: dict[str, Path]) -> str:
    """A page that needs no other file."""
    title = f"Student of {escape(outcome.teacher.name)}"
    images = "\n".join(
        f"<figure><figcaption>{escape(caption)}.</figcaption>"
        f'<img alt="{escape(caption)}" src="data:image/png;base64,'
        f'{base64.b64encode(path.read_bytes()).decode()}"></figure>'
        for caption, path in pictures.items()
    )
    end = "as was wanted" if outcome.reached else "which is not what was wanted"
    force = outcome.verdict["force"]
    error = (
        "no new frame was found"
        if force is None
        else (
            f"{1e3 * force:.1f} meV/Å from the teacher's on new frames, {end} "
            f"({1e3 * outcome.config.threshold:g} meV/Å)"
        )
    )
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{title}</title>\n'
        f"<style>{STYLE}figure {{ margin: 1.5em 0; break-inside: avoid; }}\n</style>\n"
        f"<h1>{title}</h1>\n<p>The student's forces: {error}. The work took "
        f"{figures['hours']:.2f} hours and ended because {escape(outcome.reason)}.</p>\n"
        f"<h2>Rounds</h2>\n{_rounds(figures['rounds'])}\n"
        f"<h2>Speed</h2>\n{_speeds(figures['atom_steps_per_second'])}\n"
        f"<h2>Trained on</h2>\n<p>{_trained(outcome.config, figures)}</p>\n{images}\n</html>\n"
    )


def _rounds(rounds: Sequence[dict[str, Any]]) -> str:
    heads = (
        "round",
        "frames trained on",
        "new frames",
        "runs (ended early)",
        "RMSE force<br>meV/Å",
        "RMSE energy<br>meV/atom",
        "RMSE virial<br>meV/atom",
        "selected",
        "minutes",
    )
    rows = []
    for number, found in enumerate(rounds):
        stopped = ", ".join(f"{count} {why}" for why, count in found["stopped"].items())
        values = (found[f"rmse_{key}"] for key in ("force", "energy", "virial"))
        rows.append(
            (
                str(number),
                str(found["frames_trained_on"]),
                str(found["frames"]),
                f"{found['runs']} ({escape(stopped) or 'none'})",
                *(_NONE if value is None else f"{1e3 * value:.3g}" for value in values),
                str(found["selected"]),
                f"{found['seconds'] / 60:.1f}",
            )
        )
    return _table(heads, rows)


def _speeds(speeds: dict[str, float | None]) -> str:
    rows = [
        (name, _NONE if value is None else f"{value:,.0f}".replace(",", " "))
        for name, value in speeds.items()
    ]
    ratio = ""
    if all(speeds.values()):
        times = speeds["student"] / speeds["teacher"]
        ratio = f"<p>The student is {times:.3g} times as fast here, evaluated in this process.</p>"
    return _table(("model", "atom-steps a second"), rows) + ratio


def _trained(config: DistillConfig, figures: dict[str, Any]) -> str:
    explore = config.explore
    pressures = (
        "cells kept"
        if explore.pressures is None
        else (f"{', '.join(f'{p:g}' for p in explore.pressures)} GPa")
    )
    formulas = figures["trained_on"]
    listed = ", ".join(f"{name} ({count})" for name, count in formulas.items())
    return (
        f"{sum(formulas.values())} frames: {escape(listed)}; "
        f"{', '.join(f'{t:g}' for t in explore.temperatures)} K; {pressures}."
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["".join(f"<th>{head}</th>" for head in heads)]
    lines += ["".join(f"<td>{cell}</td>" for cell in row) for row in rows]
    body = "\n".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="wide"><table>\n{body}\n</table></div>'
