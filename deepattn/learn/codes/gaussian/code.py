"""Gaussian."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import ClassVar

from ase import Atoms
from ase.data import chemical_symbols

from deepattn.errors import DataError
from deepattn.formats.files import write_whole
from deepattn.learn.labels.code import Code, last_line_with, numbers

_INPUT, _OUTPUT = "gaussian.gjf", "gaussian.log"
# Other tasks than the forces of one geometry.
_TASKS = re.compile(r"\b(opt|freq|irc|scan|admp|bomd|polar|geom)\b", re.IGNORECASE)
_FORCE = re.compile(r"\bforce\b", re.IGNORECASE)
_NOT_CONVERGED = ("Convergence criterion not met", "Convergence failure")


class Gaussian(Code):
    """Gaussian with the route, charge and basis of the template, for molecules.

    The atoms are replaced. The route gets ``force``, ``nosymm``, so that nothing is turned, and
    ``geom=printinputorient``, which dpdata needs. See `Code`.
    """

    inputs = (_INPUT,)
    outputs = (_OUTPUT,)
    format = "gaussian/log"
    species = _INPUT
    periodic = False
    # What a basis could be made to is another one for each.
    refinements: ClassVar[dict[str, float]] = {}

    def prepare(self) -> None:
        path = self.template / _INPUT
        if not path.is_file():
            raise DataError(f"{self.template}: has no {_INPUT}")
        parts = re.split(r"\n[ \t]*\n", path.read_text(encoding="utf-8").strip("\n"))
        if len(parts) < 3:
            raise DataError(f"{path}: has no route, title and molecule with empty lines between")
        if any(part.lower().lstrip().startswith("--link1--") for part in parts):
            raise DataError(f"{path}: has --Link1--; leave one job")
        self._head, self._title, molecule, *self._rest = parts
        first = next((k for k, line in enumerate(self._lines) if line.startswith("#")), None)
        if first is None:
            raise DataError(f"{path}: has no route, a line that begins with #")
        route = " ".join(self._lines[first:])
        if found := _TASKS.search(route):
            raise DataError(f"{path}: the route has {found[0]}; remove it")
        added = ["nosymm", "geom=printinputorient"]
        if not _FORCE.search(route):
            added.insert(0, "force")
        self._head = "\n".join([*self._lines[:first], " ".join([route, *added])])
        self._charge = molecule.split("\n")[0].strip()
        if not re.fullmatch(r"[+-]?\d+[\s,]+\d+", self._charge):
            raise DataError(f"{path}: has no line with charge and multiplicity after the title")

    def settings(self) -> dict[str, str]:
        route = [line for line in self._lines if not line.startswith("%")]
        return {
            "route": "\n".join(route),
            "charge and multiplicity": self._charge,
            "after the atoms": "\n\n".join(self._rest),
        }

    @property
    def elements(self) -> Collection[str]:
        """Any; Gaussian says if the basis has none for it."""
        return chemical_symbols[1:]

    def write(self, atoms: Atoms, folder: Path) -> None:
        lines = [
            f"{name} {numbers(place)}"
            for name, place in zip(atoms.symbols, atoms.positions, strict=True)
        ]
        molecule = "\n".join([self._charge, *lines])
        with write_whole(folder / _INPUT, "w") as file:
            file.write("\n\n".join([self._head, self._title, molecule, *self._rest]) + "\n\n")

    def fault(self, folder: Path) -> str:
        path = folder / _OUTPUT
        if last_line_with(path, _NOT_CONVERGED):
            return "the electrons did not converge"
        if not last_line_with(path, ["Normal termination of Gaussian"]):
            return f"{_OUTPUT} has no end"
        return ""

    @property
    def _lines(self) -> list[str]:
        """Of the part with the resources and the route."""
        return [line.strip() for line in self._head.split("\n")]
