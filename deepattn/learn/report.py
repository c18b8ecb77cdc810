"""The report of a loop, as an HTML page and as JSON."""

from __future__ import annotations

import json
from html import escape
from typing import Any

import numpy as np

from deepattn.distill.pages import ended_early, images_of, table
from deepattn.distill.workdir import write_json
from deepattn.formats.files import write_whole
from deepattn.infer.report import STYLE
from deepattn.learn.labels.store import LabelStore
from deepattn.learn.publish import DATA, PROVENANCE
from deepattn.learn.result import LearnResult
from deepattn.plots.distillation import draw_deviations, draw_rounds

_NONE = "–"


def write_report(result: LearnResult, store: LabelStore) -> dict[str, Any]:
    """Write ``report.html``, ``report.json`` and the pictures into the working folder.

    Returns:
        What ``report.json`` holds.
    """
    summary = _summary(result, store)
    with write_whole(result.workdir.path("report.html"), "w") as file:
        file.write(_page(result, summary))
    write_json(result.workdir.path("report.json"), summary)
    return summary


def _summary(result: LearnResult, store: LabelStore) -> dict[str, Any]:
    rounds = [
        {
            "frames_trained_on": parts["train"]["frames"],
            "frames_explored": parts["explored"]["frames"],
            **{key: parts["verdict"].get(key) for key in ("frames", "selected")},
            **{f"rmse_{key}": parts["verdict"].get(key) for key in ("energy", "force", "virial")},
            "runs": parts["explored"]["runs"],
            "stopped": parts["explored"]["stopped"],
            "seconds": sum(part["seconds"] for part in parts.values()),
        }
        for parts in result.rounds
    ]
    unusable = {}
    for path in sorted(store.folder.glob("*/label.json")):
        found = json.loads(path.read_text(encoding="utf-8"))
        if "unusable" in found:
            unusable[f"{store.folder.name}/{path.parent.name}"] = found["unusable"]
    return {
        "labels": result.labels,
        "model": str(result.path),
        "student": None if result.student is None else result.student.name,
        "reached": result.reached,
        "reason": result.reason,
        "units": {"energy": "eV/atom", "force": "eV/Å", "virial": "eV/atom"},
        "checks": {key: value for key, value in result.checks.items() if key != "seconds"},
        "rounds": rounds,
        "frames": result.workdir.results(result.published)["frames"],
        "unusable": unusable,
        "hours": result.workdir.hours(),
    }


def _page(result: LearnResult, summary: dict[str, Any]) -> str:
    """A page that needs no other file."""
    title = f"A model of {escape(result.labels)}"
    force = result.errors["force"]
    error = (
        "no new frame was found"
        if force is None
        else f"{1e3 * force:.1f} meV/Å from the labels of new frames "
        f"({1e3 * result.config.threshold:g} meV/Å were wanted)"
    )
    student = ""
    if result.student is not None:
        student = f"<p>A student of it is <code>{escape(result.student.name)}</code>.</p>\n"
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{title}</title>\n'
        f"<style>{STYLE}figure {{ margin: 1.5em 0; break-inside: avoid; }}\n</style>\n"
        f"<h1>{title}</h1>\n<p>Its forces: {error}. It took {summary['hours']:.2f} hours and ended "
        f"because {escape(result.reason)}.</p>\n{student}"
        f"<h2>Rounds</h2>\n{_rounds(summary)}\n<h2>Settings of the labels</h2>\n"
        f"{_checks(summary)}\n<h2>Labels</h2>\n<p>{summary['frames']} frames are in "
        f"<code>{DATA}</code>; <code>{PROVENANCE}</code> lists where each is from and the folder "
        f"of its run.</p>\n{_unusable(summary)}\n{images_of(_pictures(result))}\n</html>\n"
    )


def _pictures(result: LearnResult) -> dict[str, Any]:
    path, select = result.workdir.path, result.config.select
    verdicts = [parts["verdict"] for parts in result.rounds]
    force = [np.nan if v["force"] is None else v["force"] for v in verdicts]
    if not np.isfinite(force).any():
        return {}
    frames = [parts["train"]["frames"] for parts in result.rounds]
    found = [np.array(verdict["deviations"]) for verdict in verdicts]
    return {
        "Force RMSE on new frames, by round": draw_rounds(
            force, frames, result.config.threshold, path("rounds.png")
        ),
        f"{select.quantity.capitalize()} on new frames, by round": draw_deviations(
            *(found, select.low, select.high, path("deviations.png")), quantity=select.quantity
        ),
    }


def _rounds(summary: dict[str, Any]) -> str:
    heads = (
        "round",
        "frames trained on",
        "explored",
        "runs (ended early)",
        "judged",
        "RMSE force<br>meV/Å",
        "RMSE energy<br>meV/atom",
        "RMSE virial<br>meV/atom",
        "selected",
        "minutes",
    )
    rows = [
        (
            str(number),
            str(found["frames_trained_on"]),
            str(found["frames_explored"]),
            f"{found['runs']} ({escape(ended_early(found['stopped']))})",
            str(found["frames"]),
            *(
                _NONE if found[f"rmse_{key}"] is None else f"{1e3 * found[f'rmse_{key}']:.3g}"
                for key in ("force", "energy", "virial")
            ),
            str(found["selected"]),
            f"{found['seconds'] / 60:.1f}",
        )
        for number, found in enumerate(summary["rounds"])
    ]
    return table(heads, rows)


def _checks(summary: dict[str, Any]) -> str:
    heads = ("first frame labeled with", "largest change of a force<br>meV/Å", "energy<br>meV/atom")
    rows = [
        (escape(what), f"{1e3 * found['force']:.2f}", f"{1e3 * found['energy']:.2f}")
        for what, found in summary["checks"].items()
    ]
    return table(heads, rows)


def _unusable(summary: dict[str, Any]) -> str:
    if not summary["unusable"]:
        return ""
    rows = [(escape(place), escape(reason)) for place, reason in summary["unusable"].items()]
    return "<p>Frames without usable labels, which are left out:</p>\n" + table(
        ("folder", "reason"), rows
    )
