"""VASP."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io.vasp import write_vasp

from deepattn.errors import DataError
from deepattn.formats.files import write_whole
from deepattn.learn.labels.code import Code, last_line_with

_INCAR, _POSCAR, _POTCAR, _OUTCAR = "INCAR", "POSCAR", "POTCAR", "OUTCAR"
_TITLE = re.compile(r"^\s*TITEL\s*=\s*\S+\s+([A-Z][a-z]?)", re.MULTILINE)
# Tags that would move the atoms, or are set for every frame.
_STATIC = {"NSW": "0", "IBRION": "-1", "ISIF": "2"}


class Vasp(Code):
    """VASP with the tags of the template, one step of every structure; see `Code`.

    A mesh of k-points in ``KPOINTS`` would be another density in every cell: ``KSPACING`` in
    ``INCAR`` or ``kspacing`` takes its place.
    """

    inputs = (_INCAR, _POSCAR, _POTCAR)
    outputs = (_OUTCAR,)
    format = "vasp/outcar"
    species = f"{_POTCAR}:"

    def prepare(self) -> None:
        for name in (_INCAR, _POTCAR):
            if not (self.template / name).is_file():
                raise DataError(f"{self.template}: has no {name}")
        if (self.template / "KPOINTS").is_file():
            raise DataError(
                f"{self.template / 'KPOINTS'}: is a mesh for one cell; remove it and give "
                "learn/labels/kspacing, or KSPACING in INCAR"
            )
        self._tags = _read_incar(self.template / _INCAR)
        if "ENCUT" not in self._tags:
            raise DataError(
                f"{self.template / _INCAR}: has no ENCUT, so frames of different elements would "
                "have different cutoffs"
            )
        self._tags |= _STATIC
        self._tags["ENCUT"] = f"{float(self._tags['ENCUT'].split()[0]) * self.cutoff_factor:g}"
        if self.kspacing is not None:
            self._tags["KSPACING"] = f"{self.kspacing:g}"
        elif "KSPACING" not in self._tags:
            raise DataError(
                f"{self.template / _INCAR}: has no KSPACING; add it, or give learn/labels/kspacing"
            )
        self._potentials = _read_potcar(self.template / _POTCAR)

    def files(self) -> list[Path]:
        return []

    def settings(self) -> dict[str, str]:
        return {**self._tags, **{f"POTCAR {name}": text for name, text in self._titles().items()}}

    def order(self, atoms: Atoms) -> np.ndarray:
        """Atoms of one element together, elements as in the template."""
        names = list(self._potentials)
        return np.argsort([names.index(name) for name in atoms.symbols], kind="stable")

    @property
    def elements(self) -> Collection[str]:
        return self._potentials

    def write(self, atoms: Atoms, folder: Path) -> None:
        sorted_atoms = atoms[self.order(atoms)]
        used = dict.fromkeys(sorted_atoms.get_chemical_symbols())
        contents = {
            _INCAR: "".join(f"{name} = {value}\n" for name, value in self._tags.items()),
            _POTCAR: "".join(self._potentials[name] for name in used),
        }
        for name, text in contents.items():
            with write_whole(folder / name, "w") as file:
                file.write(text)
        with write_whole(folder / _POSCAR, "w") as file:
            write_vasp(file, sorted_atoms, direct=False, vasp5=True)

    def fault(self, folder: Path) -> str:
        end = last_line_with(folder / _OUTCAR, ["aborting loop"])
        if "EDIFF is reached" not in end:
            return "the electrons did not converge"
        if not last_line_with(folder / _OUTCAR, ["General timing and accounting"]):
            return f"{_OUTCAR} has no end"
        return ""

    def _titles(self) -> dict[str, str]:
        """Of the potentials: what distinguishes them."""
        titles = {}
        for name, text in self._potentials.items():
            found = _TITLE.search(text)
            titles[name] = found[0].strip() if found else ""
        return titles


def _read_incar(path: Path) -> dict[str, str]:
    """Tags by name."""
    tags = {}
    for line in re.split(r"[\n;]", path.read_text(encoding="utf-8")):
        text = re.split(r"[#!]", line)[0]
        name, equals, value = text.partition("=")
        if equals:
            tags[name.strip().upper()] = value.strip()
    return tags


def _read_potcar(path: Path) -> dict[str, str]:
    """The potentials of a file that has one after another, by element."""
    potentials: dict[str, str] = {}
    for part in re.split(r"(?<=End of Dataset)\n", path.read_text(encoding="utf-8")):
        found = _TITLE.search(part)
        if found is None:
            if part.strip():
                raise DataError(f"{path}: has a potential without TITEL")
            continue
        if found[1] in potentials:
            raise DataError(f"{path}: has two potentials for {found[1]}; leave one")
        potentials[found[1]] = part + "\n"
    return potentials
