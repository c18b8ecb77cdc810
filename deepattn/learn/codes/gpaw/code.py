"""GPAW."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.data import chemical_symbols
from ase.io import write

from deepattn.errors import DataError
from deepattn.formats.files import write_whole
from deepattn.learn.labels.code import Code, last_line_with

_PARAMETERS, _FRAME, _SCRIPT = "gpaw.json", "frame.xyz", "label.py"
_LOG, _LABELS = "gpaw.txt", "labels.traj"
# Runs in the Python of GPAW, where deepattn need not be. The energy is the one whose derivative the
# forces are.
_PROGRAM = f'''"""Label the frame of {_FRAME} by GPAW with the parameters of {_PARAMETERS}."""

import json

from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read, write
from gpaw import GPAW
from gpaw.mpi import world

with open("{_PARAMETERS}") as file:
    parameters = json.load(file)
atoms = read("{_FRAME}", format="extxyz")
atoms.calc = GPAW(txt="{_LOG}", **parameters)
found = {{
    "energy": atoms.get_potential_energy(force_consistent=True),
    "forces": atoms.get_forces(),
}}
try:
    found["stress"] = atoms.get_stress()
except (PropertyNotImplementedError, NotImplementedError):
    pass  # plane waves have one
labeled = atoms.copy()
labeled.calc = SinglePointCalculator(labeled, **found, free_energy=found["energy"])
if world.rank == 0:
    write("{_LABELS}", labeled)
'''


class Gpaw(Code):
    """GPAW with the parameters of the template: all that its calculator takes and JSON can hold.

    ``txt`` and, if there is a spacing, ``kpts`` are set. Labels have a virial if GPAW has a stress,
    as with plane waves. See `Code`.
    """

    inputs = (_PARAMETERS, _FRAME, _SCRIPT)
    outputs = (_LOG, _LABELS)
    format = "ase/traj"
    species = _PARAMETERS

    def prepare(self) -> None:
        path = self.template / _PARAMETERS
        if not path.is_file():
            raise DataError(f"{self.template}: has no {_PARAMETERS}")
        try:
            self._parameters: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise DataError(f"{path}: is no JSON ({error})") from None
        if not isinstance(self._parameters, dict):
            raise DataError(f"{path}: is not an object of parameters")
        self._parameters.pop("txt", None)
        mode = self._parameters.get("mode")
        if isinstance(mode, dict) and "ecut" in mode:
            mode["ecut"] = mode["ecut"] * self.cutoff_factor
        elif "h" in self._parameters:
            self._parameters["h"] /= self.cutoff_factor
        else:
            raise DataError(
                f"{path}: has no cutoff; give mode as {{'name': 'pw', 'ecut': …}} or the spacing h"
            )
        if self.kspacing is None and "kpts" not in self._parameters:
            raise DataError(f"{path}: has no kpts; add them, or give learn/labels/kspacing")

    def files(self) -> list[Path]:
        return []

    def settings(self) -> dict[str, str]:
        own = {"kpts"} if self.kspacing is not None else set()
        return {
            name: json.dumps(value, sort_keys=True)
            for name, value in self._parameters.items()
            if name not in own
        }

    @property
    def elements(self) -> Collection[str]:
        """Any; GPAW says if it has no data for it."""
        return chemical_symbols[1:]

    def write(self, atoms: Atoms, folder: Path) -> None:
        parameters = dict(self._parameters)
        if self.kspacing is not None:
            parameters["kpts"] = {"size": list(self.mesh(atoms)), "gamma": True}
        frame = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
        for name, text in {
            _PARAMETERS: json.dumps(parameters, indent=1) + "\n",
            _SCRIPT: _PROGRAM,
        }.items():
            with write_whole(folder / name, "w") as file:
                file.write(text)
        with write_whole(folder / _FRAME, "w") as file:
            write(file, frame, format="extxyz")

    def fault(self, folder: Path) -> str:
        if last_line_with(folder / _LOG, ["Did not converge"]):
            return "the electrons did not converge"
        if not last_line_with(folder / _LOG, ["Converged after"]):
            return f"{_LOG} has no end"
        return ""

    def result(self, folder: Path) -> Path:
        return folder / _LABELS
