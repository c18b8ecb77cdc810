"""The report of a distillation, as an HTML page and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from deepattn.distill.config import DistillConfig
from deepattn.distill.labeled import read_labeled
from deepattn.distill.pages import ended_early, images_of, table
from deepattn.distill.pictures import draw_pictures
from deepattn.distill.result import DistillResult
from deepattn.distill.workdir import write_json
from deepattn.formats.files import write_whole
from deepattn.infer.report import STYLE

_NONE = "–"


def write_report(result: DistillResult) -> dict[str, Any]:
    """Write ``report.html``, ``report.json`` and the pictures into the working folder.

    Returns:
        What ``report.json`` holds.
    """
    summary = _summary(result)
    pictures = dict(draw_pictures(result))
    with write_whole(result.workdir.path("report.html"), "w") as file:
        file.write(_page(result, summary, pictures))
    write_json(result.workdir.path("report.json"), summary)
    return summary


def _summary(result: DistillResult) -> dict[str, Any]:
    speeds = {
        "teacher": _speed(result.workdir.results("round-00/seed")),
        "student": _speed(result.rounds[-1]["explored"]),
    }
    trained: Counter[str] = Counter()
    for number in range(len(result.rounds)):
        data = read_labeled(result.workdir.path(f"round-{number:02d}", "data"))
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
        for parts in result.rounds
    ]
    return {
        "teacher": result.teacher.name,
        "student": str(result.path),
        "reached": result.reached,
        "reason": result.reason,
        "units": {"energy": "eV/atom", "force": "eV/Å", "virial": "eV/atom"},
        "rounds": rounds,
        "atom_steps_per_second": speeds,
        "trained_on": dict(sorted(trained.items())),
        "hours": result.workdir.hours(),
    }


def _speed(explored: dict[str, Any]) -> float | None:
    seconds = explored.get("dynamics_seconds")
    return explored["atom_steps"] / seconds if seconds else None


def _page(result: DistillResult, summary: dict[str, Any], pictures: dict[str, Path]) -> str:
    """A page that needs no other file."""
    title = f"Student of {escape(result.teacher.name)}"
    end = "as required" if result.reached else "above the required threshold"
    force = result.errors["force"]
    error = (
        "no new frame was found"
        if force is None
        else (
            f"{1e3 * force:.1f} meV/Å from the teacher's on new frames, {end} "
            f"({1e3 * result.config.threshold:g} meV/Å)"
        )
    )
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{title}</title>\n'
        f"<style>{STYLE}figure {{ margin: 1.5em 0; break-inside: avoid; }}\n</style>\n"
        f"<h1>{title}</h1>\n<p>The student's forces: {error}. The distillation took "
        f"{summary['hours']:.2f} hours and ended because {escape(result.reason)}.</p>\n"
        f"<h2>Rounds</h2>\n{_rounds(summary['rounds'])}\n<h2>Speed</h2>\n"
        f"{_speeds(summary['atom_steps_per_second'])}\n<h2>Trained on</h2>\n"
        f"<p>{_trained(result.config, summary)}</p>\n{images_of(pictures)}\n</html>\n"
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
        values = (found[f"rmse_{key}"] for key in ("force", "energy", "virial"))
        rows.append(
            (
                str(number),
                str(found["frames_trained_on"]),
                str(found["frames"]),
                f"{found['runs']} ({escape(ended_early(found['stopped']))})",
                *(_NONE if value is None else f"{1e3 * value:.3g}" for value in values),
                str(found["selected"]),
                f"{found['seconds'] / 60:.1f}",
            )
        )
    return table(heads, rows)


def _speeds(speeds: dict[str, float | None]) -> str:
    rows = [
        (name, _NONE if value is None else f"{value:,.0f}".replace(",", " "))
        for name, value in speeds.items()
    ]
    ratio = ""
    student, teacher = speeds["student"], speeds["teacher"]
    if student and teacher:
        times = student / teacher
        ratio = f"<p>The student is {times:.3g} times as fast here, evaluated in this process.</p>"
    return table(("model", "atom-steps a second"), rows) + ratio


def _trained(config: DistillConfig, summary: dict[str, Any]) -> str:
    explore = config.explore
    pressures = (
        "cells kept"
        if explore.pressures is None
        else (f"{', '.join(f'{p:g}' for p in explore.pressures)} GPa")
    )
    formulas = summary["trained_on"]
    listed = ", ".join(f"{name} ({count})" for name, count in formulas.items())
    return (
        f"{sum(formulas.values())} frames: {escape(listed)}; "
        f"{', '.join(f'{t:g}' for t in explore.temperatures)} K; {pressures}."
    )
