"""CP2K: Quickstep."""

from __future__ import annotations

import copy
import re
from collections.abc import Collection
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.cp2k import InputSection, parse_input
from ase.data import chemical_symbols
from ase.units import GPa

from deepattn.errors import DataError
from deepattn.formats.files import write_whole
from deepattn.learn.labels.code import Code, last_line_with, numbers

_INPUT, _OUTPUT = "cp2k.inp", "cp2k.out"
_CUTOFF = "FORCE_EVAL/DFT/MGRID"
# Of the structure, which is another one in every frame.
_OF_STRUCTURE = ("CELL", "COORD", "TOPOLOGY", "VELOCITY")
# In the output of version 8 and later, which dpdata does not read.
_STRESS = re.compile(r"STRESS\| Analytical stress tensor \[(GPa|bar)\]")
_UNITS = {"GPa": GPa, "bar": 1e-4 * GPa}


class Cp2k(Code):
    """CP2K with the sections of the template.

    Structure, forces and stress are set in its input, and nothing for a restart is written;
    k-points are set if there is a spacing. See `Code`.
    """

    inputs = (_INPUT,)
    outputs = (_OUTPUT,)
    format = "cp2k/output"
    species = f"{_INPUT}: &KIND"
    # Cells are printed with three digits.
    cell_tolerance = 5e-4

    def prepare(self) -> None:
        path = self.template / _INPUT
        if not path.is_file():
            raise DataError(f"{self.template}: has no {_INPUT}")
        self._root = _parsed(path)
        run = _value(self._root, "GLOBAL", "RUN_TYPE").upper()
        if run not in ("", "ENERGY", "ENERGY_FORCE"):
            raise DataError(f"{path}: RUN_TYPE is {run}; set it to ENERGY_FORCE")
        cutoff = _value(self._root, _CUTOFF, "CUTOFF").split()
        if not cutoff or not re.fullmatch(r"[\d.]+", cutoff[-1]):
            raise DataError(f"{path}: has no CUTOFF in {_CUTOFF}")
        cutoff[-1] = f"{float(cutoff[-1]) * self.cutoff_factor:g}"
        _set(self._root, _CUTOFF, "CUTOFF", " ".join(cutoff))
        # dpdata needs the coordinates, which are not printed at lower levels.
        _set(self._root, "GLOBAL", "RUN_TYPE", "ENERGY_FORCE")
        _set(self._root, "GLOBAL", "PRINT_LEVEL", "MEDIUM")
        _set(self._root, "FORCE_EVAL", "STRESS_TENSOR", "ANALYTICAL")
        self._root.get_subsection("FORCE_EVAL/PRINT/FORCES").params = "ON"
        self._root.get_subsection("FORCE_EVAL/PRINT/STRESS_TENSOR").params = "ON"
        self._root.get_subsection("FORCE_EVAL/DFT/SCF/PRINT/RESTART").params = "OFF"
        system = self._root.get_subsection("FORCE_EVAL/SUBSYS")
        system.subsections = [s for s in system.subsections if s.name not in _OF_STRUCTURE]
        self._elements = [
            (s.params or "").capitalize() for s in system.subsections if s.name == "KIND"
        ]
        for name in self._elements:
            if name not in chemical_symbols[1:]:
                raise DataError(
                    f"{path}: has a &KIND {name}, which is no element; dpdata takes kinds for "
                    "elements"
                )

    def settings(self) -> dict[str, str]:
        root = copy.deepcopy(self._root)
        if self.kspacing is not None:
            _drop(root.get_subsection("FORCE_EVAL/DFT"), "KPOINTS")
        return {_INPUT: "\n".join(root.write())}

    @property
    def elements(self) -> Collection[str]:
        return self._elements

    def write(self, atoms: Atoms, folder: Path) -> None:
        root = copy.deepcopy(self._root)
        system = root.get_subsection("FORCE_EVAL/SUBSYS")
        cell, places = InputSection("CELL"), InputSection("COORD")
        cell.keywords = [
            f"{name} {numbers(row)}" for name, row in zip("ABC", atoms.cell.array, strict=True)
        ]
        places.keywords = [
            f"{name} {numbers(place)}"
            for name, place in zip(atoms.symbols, atoms.positions, strict=True)
        ]
        system.subsections[:0] = [cell, places]
        if self.kspacing is not None:
            self._set_mesh(root, self.mesh(atoms))
        with write_whole(folder / _INPUT, "w") as file:
            file.write("\n".join(root.write()) + "\n")

    def fault(self, folder: Path) -> str:
        path = folder / _OUTPUT
        words = ["SCF run converged", "SCF run NOT converged"]
        if words[0] not in last_line_with(path, words):
            return "the electrons did not converge"
        if not last_line_with(path, ["PROGRAM ENDED AT"]):
            return f"{_OUTPUT} has no end"
        return ""

    def stress(self, folder: Path) -> np.ndarray | None:
        lines = (folder / _OUTPUT).read_text(encoding="utf-8", errors="replace").splitlines()
        for number, line in enumerate(lines):
            if found := _STRESS.search(line):
                rows = [words.split()[2:5] for words in lines[number + 2 : number + 5]]
                return np.array(rows, float) * _UNITS[found[1]]
        return None

    @staticmethod
    def _set_mesh(root: InputSection, mesh: tuple[int, ...]) -> None:
        """Set a mesh of k-points; Γ alone by leaving them out, which is real and cheaper."""
        parent = root.get_subsection("FORCE_EVAL/DFT")
        if mesh == (1, 1, 1):
            _drop(parent, "KPOINTS")
            return
        scheme = " ".join(["MONKHORST-PACK", *map(str, mesh)])
        _set(root, "FORCE_EVAL/DFT/KPOINTS", "SCHEME", scheme)


def _parsed(path: Path) -> InputSection:
    """The sections of an input.

    Raises:
        DataError: It has no method that is known, or something that is not plain sections.
    """
    text = re.sub(r"#.*", "", path.read_text(encoding="utf-8"))
    for line in text.splitlines():
        if line.strip().startswith("@") or "${" in line:
            raise DataError(f"{path}: has {line.strip()!r}; write out what the preprocessor sets")
    try:
        root = parse_input(text)
        names = [section.name for section in root.subsections]
        # Of what appears twice there would be a choice.
        root.get_subsection("FORCE_EVAL/DFT/MGRID")
        root.get_subsection("FORCE_EVAL/SUBSYS")
    # ASE raises plain exceptions.
    except Exception as error:
        raise DataError(f"{path}: cannot be read ({error})") from None
    if "FORCE_EVAL" not in names:
        raise DataError(f"{path}: has no &FORCE_EVAL")
    return root


def _value(root: InputSection, section: str, keyword: str) -> str:
    """The value of a keyword; empty if there is none."""
    for line in root.get_subsection(section).keywords:
        name, _, value = line.partition(" ")
        if name.upper() == keyword:
            return value.strip()
    return ""


def _set(root: InputSection, section: str, keyword: str, value: str) -> None:
    found = root.get_subsection(section)
    others = [line for line in found.keywords if line.split()[0].upper() != keyword]
    found.keywords = [*others, f"{keyword} {value}"]


def _drop(parent: InputSection, name: str) -> None:
    parent.subsections = [section for section in parent.subsections if section.name != name]
