"""Quantum ESPRESSO: ``pw.x``."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.io.espresso import read_fortran_namelist
from ase.io.espresso_namelist.namelist import Namelist

from deepattn.errors import DataError
from deepattn.formats.files import write_whole
from deepattn.learn.dispatch.script import SCRATCH
from deepattn.learn.labels.code import Code, last_line_with, numbers

_INPUT, _OUTPUT = "pw.in", "pw.out"
# Of the structure, which is another one in every frame.
_OF_STRUCTURE = ("nat", "ntyp", "ibrav", "a", "b", "c", "cosab", "cosac", "cosbc")
_REPLACED = ("ATOMIC_POSITIONS", "CELL_PARAMETERS")
_CARDS = (
    "ATOMIC_SPECIES",
    "ATOMIC_POSITIONS",
    "K_POINTS",
    "CELL_PARAMETERS",
    "CONSTRAINTS",
    "OCCUPATIONS",
    "ATOMIC_VELOCITIES",
    "ATOMIC_FORCES",
    "SOLVENTS",
    "HUBBARD",
)
_NAMELISTS = ("control", "system", "electrons", "ions", "cell")


class Espresso(Code):
    """``pw.x`` with the namelists and cards of the template.

    Structure, forces and stress are set in its input; k-points are if there is a spacing. See
    `Code`.
    """

    inputs = (_INPUT,)
    outputs = (_OUTPUT, _INPUT)
    format = "qe/pw/scf"
    species = f"{_INPUT}: ATOMIC_SPECIES"

    def prepare(self) -> None:
        path = self.template / _INPUT
        if not path.is_file():
            raise DataError(f"{self.template}: has no {_INPUT}")
        with path.open(encoding="utf-8") as file:
            namelists, lines = read_fortran_namelist(file)
        self._namelists: dict[str, dict[str, Any]] = {
            name.lower(): dict(values) for name, values in namelists.items()
        }
        calculation = self._namelists.get("control", {}).get("calculation", "scf")
        if calculation != "scf":
            raise DataError(f"{path}: calculation is {calculation!r}; set it to 'scf'")
        system = self._namelists.setdefault("system", {})
        for name in list(system):
            if name.lower() in _OF_STRUCTURE or name.lower().startswith("celldm"):
                del system[name]
        if "ecutwfc" not in system:
            raise DataError(f"{path}: has no ecutwfc")
        for name in ("ecutwfc", "ecutrho"):
            if name in system:
                system[name] = system[name] * self.cutoff_factor
        control = self._namelists.setdefault("control", {})
        control |= {"calculation": "scf", "tprnfor": True, "tstress": True}
        control |= {"outdir": SCRATCH}
        control |= {"pseudo_dir": "."}
        self._cards = _cards(lines, path)
        moving = {"CONSTRAINTS", "ATOMIC_VELOCITIES", "ATOMIC_FORCES", "OCCUPATIONS"}
        if found := moving & set(self._cards):
            raise DataError(f"{path}: has {min(found)}, which is for one structure; remove it")
        if self.kspacing is None and "K_POINTS" not in self._cards:
            raise DataError(f"{path}: has no K_POINTS; add them, or give learn/labels/kspacing")
        self._pseudo = {
            words[0]: words[2]
            for words in (line.split() for line in self._cards["ATOMIC_SPECIES"][1:])
        }
        for name in self._pseudo.values():
            if not (self.template / name).is_file():
                raise DataError(f"{self.template}: has no {name}, which {_INPUT} names")

    def files(self) -> list[Path]:
        return [self.template / name for name in sorted(set(self._pseudo.values()))]

    def settings(self) -> dict[str, str]:
        own = {*_REPLACED, *(["K_POINTS"] if self.kspacing is not None else [])}
        cards = {name: lines for name, lines in self._cards.items() if name not in own}
        return {
            "namelists": json.dumps(self._namelists, sort_keys=True),
            "cards": json.dumps(cards, sort_keys=True),
        }

    @property
    def elements(self) -> Collection[str]:
        return self._pseudo

    def write(self, atoms: Atoms, folder: Path) -> None:
        with write_whole(folder / _INPUT, "w") as file:
            file.write(self._text(atoms))

    def fault(self, folder: Path) -> str:
        path = folder / _OUTPUT
        if not last_line_with(path, ["convergence has been achieved"]):
            return "the electrons did not converge"
        if not last_line_with(path, ["JOB DONE"]):
            return f"{_OUTPUT} has no end"
        return ""

    def _text(self, atoms: Atoms) -> str:
        """The input of a frame."""
        of_frame = {"nat": len(atoms), "ntyp": len(self._cards["ATOMIC_SPECIES"]) - 1, "ibrav": 0}
        namelists = {name: self._namelists.get(name, {}) for name in _NAMELISTS}
        namelists["system"] = {**namelists["system"], **of_frame}
        cards = {name: lines for name, lines in self._cards.items() if name not in _REPLACED}
        if self.kspacing is not None:
            # Around Γ.
            mesh = " ".join(map(str, (*self.mesh(atoms), 0, 0, 0)))
            cards["K_POINTS"] = ["K_POINTS automatic", mesh]
        cards["CELL_PARAMETERS"] = ["CELL_PARAMETERS angstrom", *map(numbers, atoms.cell.array)]
        cards["ATOMIC_POSITIONS"] = ["ATOMIC_POSITIONS angstrom"] + [
            f"{name} {numbers(place)}"
            for name, place in zip(atoms.symbols, atoms.positions, strict=True)
        ]
        lines = [line.rstrip("\n") for card in cards.values() for line in [*card, ""]]
        # An empty line after a card is what dpdata takes for its end.
        return Namelist(namelists).to_string() + "\n" + "\n".join(lines) + "\n"


def _cards(lines: list[str], path: Path) -> dict[str, list[str]]:
    """The cards after the namelists: their lines by name, the title first."""
    cards: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in lines:
        words = line.split()
        if not words or words[0].startswith(("!", "#")):
            continue
        if words[0].upper() in _CARDS:
            current = cards.setdefault(words[0].upper(), [])
        if current is not None:
            current.append(line)
    if len(cards.get("ATOMIC_SPECIES", [])) < 2:
        raise DataError(f"{path}: has no ATOMIC_SPECIES")
    return cards
