"""What a test found, for programs and for people."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import NamedTuple

from deepattn.infer.statistics import Errors, merge_errors, unit_of

STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72em; margin: 2em auto; padding: 0 1em; }
table { border-collapse: collapse; margin: 1em 0; font-variant-numeric: tabular-nums; }
th, td { padding: .25em .8em; text-align: right; border-bottom: 1px solid #8884; }
th:first-child, td:first-child { text-align: left; }
div.wide { overflow-x: auto; }
img { max-width: 100%; background: white; }
"""
# What the tables show, by the names of `energy_errors`.
_COLUMNS = ("mae_ea", "rmse_ea", "mae_f", "rmse_f", "mae_va", "rmse_va", "rmse_s")


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
    """

    __test__ = False  # no class of tests, whatever its name begins with

    model: str
    systems: list[SystemErrors] = field(default_factory=list)
    elements: dict[str, Errors] = field(default_factory=dict)

    def add(
        self, path: str, nframes: int, parts: Sequence[tuple[Errors, Mapping[str, Errors]]]
    ) -> Errors:
        """Take in a system.

        Args:
            path: the system.
            nframes: how many of its frames were tested.
            parts: of some frames each, what `energy_errors` and `errors_by_element` give.

        Returns:
            Errors of all its frames.
        """
        errors = merge_errors([errors for errors, _ in parts])
        self.systems.append(SystemErrors(path, nframes, errors))
        for _, by_element in parts:
            for name, found in by_element.items():
                known = [self.elements[name]] if name in self.elements else []
                self.elements[name] = merge_errors([*known, found])
        return errors

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

    def to_html(self, picture: bytes | None = None) -> str:
        """A page that needs no other file.

        Args:
            picture: a PNG to show in it.
        """
        frames = sum(system.nframes for system in self.systems)
        shown = [name for name in _COLUMNS if name in self.average]
        systems = [("all", str(frames), self.average)]
        systems += [(path, str(nframes), errors) for path, nframes, errors in self.systems]
        elements = [
            (name, str(int(errors["rmse_f"][1]) // 3), errors)
            for name, errors in self.elements.items()
        ]
        image = ""
        if picture is not None:
            encoded = base64.b64encode(picture).decode()
            image = f'<img alt="Predictions and labels" src="data:image/png;base64,{encoded}">'
        title = f"{escape(self.model)}: errors"
        return (
            f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{title}</title>\n'
            f"<style>{STYLE}</style>\n<h1>{title}</h1>\n"
            f"<h2>Systems</h2>\n{_table('system', 'frames', shown, systems)}\n"
            f"<h2>Elements</h2>\n{_table('element', 'atoms', ['mae_f', 'rmse_f'], elements)}\n"
            f"{image}\n</html>\n"
        )


def _values(errors: Errors) -> dict[str, float]:
    return {name: value for name, (value, _) in errors.items()}


def _table(what: str, count: str, names: list[str], rows: list[tuple[str, str, Errors]]) -> str:
    heads = "".join(f"<th>{_head(name)}</th>" for name in names)
    lines = [f"<tr><th>{what}</th><th>{count}</th>{heads}</tr>"]
    for name, number, errors in rows:
        cells = "".join(
            f"<td>{errors[key][0]:.4g}</td>" if key in errors else "<td>–</td>" for key in names
        )
        lines.append(f"<tr><td>{escape(name)}</td><td>{number}</td>{cells}</tr>")
    newline = "\n"
    return f'<div class="wide"><table>\n{newline.join(lines)}\n</table></div>'


def _head(name: str) -> str:
    kind, _, quantity = name.partition("_")
    words = {"ea": "energy", "f": "force", "va": "virial", "s": "stress"}
    return f"{kind.upper()} {words[quantity]}<br>{unit_of(name)}"
