"""The report of a test, for programs and for people."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ase.units import GPa

from deepattn import __version__
from deepattn.infer.pairs import PairSample
from deepattn.infer.statistics import Errors, merge_errors, unit_of
from deepattn.infer.worst import WorstFrames

STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72em; margin: 2em auto; padding: 0 1em; }
table { border-collapse: collapse; margin: 1em 0; font-variant-numeric: tabular-nums; }
th, td { padding: .25em .8em; text-align: right; border-bottom: 1px solid #8884; }
th:first-child, td:first-child { text-align: left; }
div.wide { overflow-x: auto; }
img { max-width: 100%; background: white; }
"""
_STYLE = """
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1em 1.5em; }
dt { opacity: .7; }
dd { margin: 0; overflow-wrap: anywhere; }
th { vertical-align: bottom; }
tfoot td { font-weight: 600; }
th[aria-sort] { cursor: pointer; }
th[aria-sort=ascending]::after { content: " ▲"; }
th[aria-sort=descending]::after { content: " ▼"; }
svg { max-width: 100%; height: auto; }
"""
# A click on the head of a column sorts the rows by it; a second one turns them round.
_SCRIPT = """
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    head.setAttribute("aria-sort", "none");
    head.onclick = () => {
      const sign = head.getAttribute("aria-sort") === "descending" ? 1 : -1;
      heads.forEach(other => other.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      const value = row => {
        const text = row.cells[column].textContent.replace("−", "-");
        return { text, number: Number.parseFloat(text) };
      };
      const compare = (x, y) => Number.isNaN(x.number) || Number.isNaN(y.number)
        ? x.text.localeCompare(y.text, undefined, { numeric: true }) : x.number - y.number;
      [...table.tBodies[0].rows]
        .sort((x, y) => sign * compare(value(x), value(y)))
        .forEach(row => table.tBodies[0].append(row));
    };
  });
}
"""
_GPA = 1 / GPa  # of 1 eV/Å³
# Columns by the names of `energy_errors`: what stands above them, unit, how many are one of ours.
_COLUMNS = {
    "mae_ea": ("MAE energy", "meV/atom", 1e3),
    "rmse_ea": ("RMSE energy", "meV/atom", 1e3),
    "mae_f": ("MAE force", "meV/Å", 1e3),
    "rmse_f": ("RMSE force", "meV/Å", 1e3),
    "mae_fr": ("MAE force", "meV/Å", 1e3),
    "rmse_fr": ("RMSE force", "meV/Å", 1e3),
    "mae_fm": ("MAE magnetic force", "meV/μB", 1e3),
    "rmse_fm": ("RMSE magnetic force", "meV/μB", 1e3),
    "mae_v": ("MAE virial", "eV", 1.0),
    "rmse_v": ("RMSE virial", "eV", 1.0),
    "mae_s": ("MAE stress", "GPa", _GPA),
    "rmse_s": ("RMSE stress", "GPa", _GPA),
}
# The same of one frame.
_OF_FRAMES = {
    "force": ("RMSE force", "meV/Å", 1e3),
    "largest": ("largest error of a force", "meV/Å", 1e3),
    "atom": ("at atom", "", 1),
    "energy": ("error of the energy", "meV/atom", 1e3),
    "virial": ("RMSE virial", "eV", 1.0),
    "stress": ("RMSE stress", "GPa", _GPA),
}
_ABSENT, _NOTHING = "–", (np.nan, 0.0)
# Digits that the smallest number of a column shows, and places after the point at most.
_DIGITS, _MOST_PLACES = 3, 5


class SystemErrors(NamedTuple):
    """Errors of one system."""

    path: str
    nframes: int
    errors: Errors


@dataclass
class TestReport:
    """Errors of a model, by system, by element and altogether.

    Attributes:
        model: the file.
        systems: errors of each system, in the order they were tested.
        elements: errors of the forces on the atoms of each element.
        worst: the frames with the largest errors.
        sample: labels and predictions, for pictures.
        facts: description of the model by headings, for the page.
    """

    __test__ = False  # no class of tests, whatever its name begins with

    model: str
    systems: list[SystemErrors] = field(default_factory=list)
    elements: dict[str, Errors] = field(default_factory=dict)
    worst: WorstFrames = field(default_factory=WorstFrames)
    sample: PairSample = field(default_factory=PairSample)
    facts: Mapping[str, str] = field(default_factory=dict)

    def add(
        self, path: str, nframes: int, parts: Sequence[tuple[Errors, Mapping[str, Errors]]]
    ) -> SystemErrors:
        """Add a system.

        Args:
            path: the system.
            nframes: how many of its frames were tested.
            parts: results of `energy_errors` and `errors_by_element` for some frames each.

        Returns:
            Errors of all its frames.
        """
        errors = merge_errors([errors for errors, _ in parts])
        added = SystemErrors(path, nframes, errors)
        self.systems.append(added)
        for _, by_element in parts:
            for name, found in by_element.items():
                known = [self.elements[name]] if name in self.elements else []
                self.elements[name] = merge_errors([*known, found])
        return added

    @property
    def average(self) -> Errors:
        """Errors of all systems together; as in ``dp test`` without atomic energies."""
        return merge_errors(
            [
                {name: error for name, error in errors.items() if not name.endswith("_ae")}
                for _, _, errors in self.systems
            ]
        )

    def to_json(self) -> str:
        """All errors with their units."""
        everything = [self.average, *(system.errors for system in self.systems)]
        names = dict.fromkeys(name for errors in everything for name in errors)
        return json.dumps(
            {
                "model": self.model,
                "units": {name: unit_of(name) for name in names},
                "average": _values(self.average),
                "elements": {
                    name: {**_values(errors), "components": int(errors["rmse_f"][1])}
                    for name, errors in self.elements.items()
                },
                "systems": [
                    {"system": path, "frames": nframes, **_values(errors)}
                    for path, nframes, errors in self.systems
                ],
            },
            indent=1,
            ensure_ascii=False,
        )

    @property
    def title(self) -> str:
        """The model's name, and that of the data."""
        paths = [path for path, *_ in self.systems]
        data = paths[0] if len(paths) == 1 else f"{len(paths)} systems"
        if len(paths) > 1 and (common := os.path.commonpath(map(os.path.abspath, paths))) != "/":
            data = f"{len(paths)} systems of {os.path.relpath(common)}"
        return f"{Path(self.model).name} on {data}"

    def to_html(self, picture: str | None = None) -> str:
        """A page that needs no other file.

        Args:
            picture: an ``<svg>`` to show in it.
        """
        frames = sum(system.nframes for system in self.systems)
        head = {
            "date": datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
            "deepattn": __version__,
            "model": self.model,
            **self.facts,
            "frames": f"{frames:,} of {len(self.systems)} systems",
        }
        mean = self.average
        shown = [name for name in _COLUMNS if name in mean]
        systems = [
            [path, nframes, *(errors.get(name, _NOTHING)[0] for name in shown)]
            for path, nframes, errors in self.systems
        ]
        average = ["all", frames, *(mean[name][0] for name in shown)]
        elements = [
            [name, int(errors["rmse_f"][1]) // 3, errors["mae_f"][0], errors["rmse_f"][0]]
            for name, errors in self.elements.items()
        ]
        parts = [
            ("Systems", _table(("system", "frames"), _pick(_COLUMNS, shown), systems, average)),
            (
                "Forces by element",
                _table(("element", "atoms"), _pick(_COLUMNS, ["mae_f", "rmse_f"]), elements),
            ),
            ("Worst frames", self._worst()),
            ("Predictions and labels", picture or ""),
        ]
        title = escape(self.title)
        facts = "\n".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in head.items())
        body = "\n".join(f"<h2>{heading}</h2>\n{part}" for heading, part in parts if part)
        return (
            f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{title}</title>\n'
            f"<style>{STYLE}{_STYLE}</style>\n<h1>{title}</h1>\n<dl>\n{facts}\n</dl>\n"
            f"{body}\n<script>{_SCRIPT}</script>\n</html>\n"
        )

    def _worst(self) -> str:
        rows = self.worst.rows
        known = {name: [getattr(row, name) for row in rows] for name in _OF_FRAMES}
        known["atom"] = [atom for atom in known["atom"] if atom >= 0]
        shown = [name for name, values in known.items() if np.isfinite(values).any()]
        cells = [[row.system, row.frame, *(getattr(row, name) for name in shown)] for row in rows]
        return _table(("system", "frame"), _pick(_OF_FRAMES, shown), cells)


def _values(errors: Errors) -> dict[str, float]:
    return {name: value for name, (value, _) in errors.items()}


def _pick(columns: Mapping[str, tuple], names: Sequence[str]) -> list[tuple[str, str, float]]:
    return [columns[name] for name in names]


def _table(
    heads: tuple[str, str],
    columns: Sequence[tuple[str, str, float]],
    rows: Sequence[Sequence],
    last: Sequence | None = None,
) -> str:
    """A table whose rows begin with a name and a count; nothing without rows."""
    if not rows:
        return ""
    units = (f"<th>{what}<br>{unit}</th>" for what, unit, _ in columns)
    head = "".join([*(f"<th>{what}</th>" for what in heads), *units])
    every = [*rows, *([last] if last else [])]
    written = [
        _written([row[2 + k] for row in every], scale) for k, (*_, scale) in enumerate(columns)
    ]
    lines = [
        "".join(f"<td>{cell}</td>" for cell in (escape(str(row[0])), f"{row[1]}", *cells))
        for row, *cells in zip(every, *written, strict=True)
    ]
    body = "\n".join(f"<tr>{line}</tr>" for line in lines[: len(rows)])
    foot = f"\n<tfoot><tr>{lines[-1]}</tr></tfoot>" if last else ""
    return (
        f'<div class="wide"><table class="sortable">\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody>{foot}\n</table></div>"
    )


def _written(values: Sequence[float], scale: float) -> list[str]:
    """Numbers with as many places after the point each, so that the points are in a line."""
    if all(isinstance(value, int) for value in values):
        return [str(value) if value >= 0 else _ABSENT for value in values]
    scaled = [scale * value for value in values]
    sizes = [abs(value) for value in scaled if value and np.isfinite(value)]
    least = np.log10(min(sizes)) if sizes else 0.0
    places = int(np.clip(_DIGITS - 1 - np.floor(least), 0, _MOST_PLACES))
    return [
        f"{value:.{places}f}".replace("-", "−") if np.isfinite(value) else _ABSENT
        for value in scaled
    ]
