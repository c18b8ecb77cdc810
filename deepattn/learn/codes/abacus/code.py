"""ABACUS."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from itertools import pairwise
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from ase.units import Bohr

from deepattn.errors import DataError
from deepattn.formats.files import write_whole
from deepattn.learn.labels.code import Code, last_line_with, numbers

_INPUT, _STRUCTURE, _POINTS = "INPUT", "STRU", "KPT"
_LOG = "OUT.ABACUS/running_scf.log"
# Set for every frame, so that files are where they are looked for.
_SET = {
    "calculation": "scf",
    "cal_force": "1",
    "cal_stress": "1",
    "suffix": "ABACUS",
    "stru_file": _STRUCTURE,
    "kpoint_file": _POINTS,
    "pseudo_dir": "./",
    "orbital_dir": "./",
}
_CONVERGED = ("charge density convergence is achieved", "#SCF IS CONVERGED#")
_NOT_CONVERGED = (
    "convergence has NOT been achieved",
    "convergence has not been achieved",
    "SCF IS NOT CONVERGED",
)
_TITLES = (
    "ATOMIC_SPECIES",
    "NUMERICAL_ORBITAL",
    "LATTICE_CONSTANT",
    "LATTICE_VECTORS",
    "LATTICE_PARAMETERS",
    "ATOMIC_POSITIONS",
    "ABFS_ORBITAL",
    "NUMERICAL_DESCRIPTOR",
)


class Abacus(Code):
    """ABACUS with the parameters of the template.

    Forces and stress are switched on; elements, pseudopotentials, orbitals and magnetic moments are
    those of ``STRU``, whose structure is replaced. See `Code`.
    """

    inputs = (_INPUT, _STRUCTURE, _POINTS)
    # dpdata reads the last two as well.
    outputs = (_LOG, _INPUT, _STRUCTURE)
    format = "abacus/scf"
    species = f"{_STRUCTURE}: ATOMIC_SPECIES"

    def prepare(self) -> None:
        for name in (_INPUT, _STRUCTURE):
            if not (self.template / name).is_file():
                raise DataError(f"{self.template}: has no {name}")
        path = self.template / _INPUT
        self._tags = _read_input(path)
        calculation = self._tags.get("calculation", "scf")
        if calculation != "scf":
            raise DataError(f"{path}: calculation is {calculation!r}; set it to scf")
        if "ecutwfc" not in self._tags:
            raise DataError(f"{path}: has no ecutwfc")
        for name in ("ecutwfc", "ecutrho"):
            if name in self._tags:
                self._tags[name] = f"{float(self._tags[name].split()[0]) * self.cutoff_factor:g}"
        self._tags.pop("ntype", None)
        self._tags |= _SET
        if self.kspacing is not None:
            if self._tags.get("gamma_only", "0") not in ("0", "false"):
                raise DataError(f"{path}: has gamma_only, which learn/labels/kspacing excludes")
            self._tags.pop("kspacing", None)
        self._mesh_of_template = self._read_points()
        self._read_species(self.template / _STRUCTURE)

    def files(self) -> list[Path]:
        names = {*self._potentials.values(), *self._orbitals.values()}
        return [self.template / name for name in sorted(names)]

    def settings(self) -> dict[str, str]:
        return {
            **self._tags,
            "species": json.dumps(self._species, sort_keys=True),
            "orbitals": json.dumps(self._orbitals, sort_keys=True),
            "moments": json.dumps(self._moments, sort_keys=True),
            "k-points": "" if self.kspacing is not None else self._mesh_of_template,
        }

    def order(self, atoms: Atoms) -> np.ndarray:
        """Atoms of one element together, elements as in the template."""
        names = list(self._species)
        return np.argsort([names.index(name) for name in atoms.symbols], kind="stable")

    @property
    def elements(self) -> Collection[str]:
        return self._species

    def write(self, atoms: Atoms, folder: Path) -> None:
        tags = "".join(f"{name} {value}\n" for name, value in self._tags.items())
        texts = {_INPUT: f"INPUT_PARAMETERS\n{tags}", _STRUCTURE: self._structure(atoms)}
        texts[_POINTS] = self._points(atoms)
        for name, text in texts.items():
            with write_whole(folder / name, "w") as file:
                file.write(text)

    def fault(self, folder: Path) -> str:
        last = last_line_with(folder / _LOG, [*_CONVERGED, *_NOT_CONVERGED])
        if not any(words in last for words in _CONVERGED):
            return "the electrons did not converge"
        if not last_line_with(folder / _LOG, ["Finish Time"]):
            return f"{_LOG} has no end"
        return ""

    def result(self, folder: Path) -> Path:
        return folder

    def _points(self, atoms: Atoms) -> str:
        """The k-points of a frame."""
        if self.kspacing is not None:
            mesh = " ".join(map(str, (*self.mesh(atoms), 0, 0, 0)))
            return f"K_POINTS\n0\nGamma\n{mesh}\n"
        return self._mesh_of_template

    def _structure(self, atoms: Atoms) -> str:
        """The structure of a frame, in Å."""
        used = [name for name in self._species if name in atoms.symbols]
        lines = ["ATOMIC_SPECIES", *(f"{name} {self._species[name]}" for name in used), ""]
        if self._orbitals:
            lines += ["NUMERICAL_ORBITAL", *(self._orbitals[name] for name in used), ""]
        lines += ["LATTICE_CONSTANT", f"{1 / Bohr:.12f}", ""]
        lines += ["LATTICE_VECTORS", *map(numbers, atoms.cell.array), ""]
        lines += ["ATOMIC_POSITIONS", "Cartesian"]
        for name in used:
            places = atoms.positions[np.array(atoms.get_chemical_symbols()) == name]
            lines += ["", name, self._moments.get(name, "0.0"), str(len(places))]
            lines += [f"{numbers(place)} 1 1 1" for place in places]
        return "\n".join(lines) + "\n"

    def _read_points(self) -> str:
        """The template's file of k-points; of Γ if parameters give them."""
        path = self.template / _POINTS
        if path.is_file():
            return path.read_text(encoding="utf-8")
        if self.kspacing is None and not self._tags.keys() & {"kspacing", "gamma_only"}:
            raise DataError(
                f"{self.template}: has no {_POINTS}; add it, or give learn/labels/kspacing"
            )
        return "K_POINTS\n0\nGamma\n1 1 1 0 0 0\n"

    def _read_species(self, path: Path) -> None:
        """Set what the template's structure says about each element."""
        cards = _cards(path)
        rows = [line.split() for line in cards.get("ATOMIC_SPECIES", [])]
        if not rows or any(len(row) < 3 for row in rows):
            raise DataError(
                f"{path}: has no ATOMIC_SPECIES with a pseudopotential for each element"
            )
        self._species = {row[0]: " ".join(row[1:]) for row in rows}
        self._potentials = {row[0]: row[2] for row in rows}
        orbitals = cards.get("NUMERICAL_ORBITAL", [])
        if orbitals and len(orbitals) != len(rows):
            raise DataError(f"{path}: has {len(orbitals)} orbitals for {len(rows)} elements")
        self._orbitals = dict(zip(self._species, orbitals, strict=False))
        positions = cards.get("ATOMIC_POSITIONS", [])
        self._moments = {
            name: moment for name, moment in pairwise(positions) if name in self._species
        }
        for name in self._species:
            if name not in chemical_symbols[1:]:
                raise DataError(f"{path}: has a species {name}, which is no element")
        for name in (*self._potentials.values(), *self._orbitals.values()):
            if not (self.template / name).is_file():
                raise DataError(f"{self.template}: has no {name}, which {_STRUCTURE} names")


def _read_input(path: Path) -> dict[str, str]:
    """Parameters by name."""
    tags = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        words = re.split(r"#|//", line)[0].split(None, 1)
        if len(words) == 2:
            tags[words[0].lower()] = words[1].strip()
    return tags


def _cards(path: Path) -> dict[str, list[str]]:
    """Lines below each title, without comments."""
    cards: dict[str, list[str]] = {}
    current: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        text = re.split(r"#|//", line)[0].strip()
        if text in _TITLES:
            current = cards.setdefault(text, [])
        elif text:
            current.append(text)
    return cards
