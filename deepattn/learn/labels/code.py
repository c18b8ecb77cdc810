"""A first-principles code: writing its input for a frame, and reading its labels."""

from __future__ import annotations

import math
import tempfile
import warnings
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import dpdata
import numpy as np
from ase import Atoms
from ase.geometry import find_mic

from deepattn.distill.potential import Labels
from deepattn.errors import DataError
from deepattn.learn.labels.config import JobsConfig
from deepattn.learn.labels.store import Unusable

# Å. Codes print positions with so many digits at least.
_SAME = 1e-3


class Code(ABC):
    """Input and output of a code.

    Args:
        config: The section of the input.
        finer: What is made finer, one of `refinements`; empty for nothing.

    Raises:
        DataError: As for `prepare`.

    Class attributes:
        inputs: Files that `write` makes.
        outputs: Files that `read` needs; `fault` needs only the first one.
        format: dpdata's name of the format of the labels.
        species: Where the template has its elements.
        periodic: Whether frames must have cells; otherwise they must have none.
        cell_tolerance: Largest strain between the cell of a frame and that of an output.
        refinements: By what can be made finer, the factor of the setting.
    """

    inputs: ClassVar[tuple[str, ...]]
    outputs: ClassVar[tuple[str, ...]]
    format: ClassVar[str]
    species: ClassVar[str]
    periodic: ClassVar[bool] = True
    cell_tolerance: ClassVar[float] = 1e-4
    refinements: ClassVar[dict[str, float]] = {"a higher cutoff": 1.3, "more k-points": 0.7}

    def __init__(self, config: JobsConfig, *, finer: str = "") -> None:
        self.config = config
        self.template = Path(config.template)
        if not self.template.is_dir():
            raise DataError(f"{self.template}: is not a folder; give the one of the code's input")
        self._factors = {finer: self.refinements[finer]} if finer else {}
        self.prepare()

    @property
    def cutoff_factor(self) -> float:
        """Factor of the template's cutoffs."""
        return self._factors.get("a higher cutoff", 1.0)

    @property
    def kspacing(self) -> float | None:
        """Largest distance of k-points, 1/Å."""
        spacing = self.config.kspacing
        return None if spacing is None else spacing * self._factors.get("more k-points", 1.0)

    def can_be_finer(self) -> tuple[str, ...]:
        """What can be made finer; without `kspacing` not the k-points."""
        return tuple(self.refinements)[: 1 + (self.config.kspacing is not None)]

    @abstractmethod
    def prepare(self) -> None:
        """Read the template.

        Raises:
            DataError: A file is missing, or says something that the structures may not.
        """

    def files(self) -> list[Path]:
        """Files of the template that all runs need as they are; by default all but the inputs."""
        others = (path for path in self.template.iterdir() if path.name not in self.inputs)
        return sorted(path for path in others if path.is_file())

    @abstractmethod
    def settings(self) -> dict[str, str]:
        """All that decides the labels, by name."""

    @property
    @abstractmethod
    def elements(self) -> Collection[str]:
        """The elements of the template."""

    def check(self, atoms: Atoms) -> None:
        """Check that a structure can be labeled.

        Raises:
            DataError: Its boundaries are not those that the code labels, or it has an element that
                the template does not have.
        """
        if not self.periodic and atoms.pbc.any():
            raise DataError(
                f"{self.template}: a structure has a cell, and {self.config.type} labels molecules "
                "only; give structures without cells"
            )
        if self.periodic and not atoms.pbc.all():
            raise DataError(
                f"{self.template}: a structure has open boundaries; give structures cells, with a "
                "vacuum"
            )
        unknown = sorted(set(atoms.symbols) - set(self.elements))
        if unknown:
            raise DataError(
                f"{self.template}/{self.species} has no {', '.join(unknown)}, which the structures "
                "contain"
            )

    @abstractmethod
    def write(self, atoms: Atoms, folder: Path) -> None:
        """Write the files of `inputs` for a frame that has passed `check`."""

    @abstractmethod
    def fault(self, folder: Path) -> str:
        """Why a run whose command has ended cannot be used; empty if it can."""

    def order(self, atoms: Atoms) -> np.ndarray:
        """The order of the atoms in the input; by default that of the frame."""
        return np.arange(len(atoms))

    def result(self, folder: Path) -> Path:
        """What dpdata reads the labels from; by default the first of the outputs."""
        return folder / self.outputs[0]

    def stress(self, folder: Path) -> np.ndarray | None:
        """The virial divided by the volume, ``[3, 3]``, eV/Å³, where the output has it, in the
        orientation of the input, and dpdata does not read it; by default it does."""
        return None

    def mesh(self, atoms: Atoms) -> tuple[int, ...]:
        """Numbers of k-points along the vectors of the reciprocal cell, at most ``kspacing`` apart,
        2π included."""
        assert self.kspacing is not None
        lengths = 2 * math.pi * np.linalg.norm(atoms.cell.reciprocal().array, axis=1)
        return tuple(max(1, math.ceil(length / self.kspacing)) for length in lengths)

    def read(self, atoms: Atoms, folder: Path) -> Labels | Unusable:
        """The labels of a run, or why it cannot be used."""
        for name in self.outputs:
            path = folder / name
            if not path.is_file() or not path.stat().st_size:
                return Unusable(f"there is no {name}, so the command has failed")
            if name == self.outputs[0] and (reason := self.fault(folder)):
                return Unusable(reason)
        if changed := self._changed_input(atoms, folder):
            return Unusable(
                f"{changed} is not as it was written, so the settings may be other ones than those "
                "of the template"
            )
        place = self.result(folder)
        name = self.outputs[0] if place == folder else place.name
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                system = dpdata.LabeledSystem(str(place), fmt=self.format)
                data = system[len(system) - 1].data if len(system) else None
            stress = self.stress(folder)
        # Its readers raise whatever they like.
        except Exception as error:
            return Unusable(f"{name} cannot be read ({' '.join(str(error).split())})")
        if data is None:
            return Unusable(f"{name} has no frame whose electrons converged")
        return self._labels_of(data, atoms, stress)

    def _changed_input(self, atoms: Atoms, folder: Path) -> str:
        """The first file of the input that is another one than `write` makes; empty for none."""
        with tempfile.TemporaryDirectory() as place:
            self.write(atoms, Path(place))
            for name in self.inputs:
                path, written = folder / name, Path(place, name)
                if written.is_file() and (
                    not path.is_file() or path.read_bytes() != written.read_bytes()
                ):
                    return name
        return ""

    def _labels_of(
        self, data: Mapping[str, Any], atoms: Atoms, stress: np.ndarray | None
    ) -> Labels | Unusable:
        """Labels in the orientation and order of the frame that was asked for."""
        order = self.order(atoms)
        names = [data["atom_names"][kind] for kind in data["atom_types"]]
        if names != [atoms.get_chemical_symbols()[place] for place in order]:
            return Unusable("the output has other atoms than the frame")
        turn = self._turn(data, atoms)
        if turn is None:
            return Unusable("the output has another cell than the frame")
        moved = data["coords"][0] @ turn.T - atoms.positions[order]
        if atoms.pbc.all():
            moved, _ = find_mic(moved, atoms.cell, pbc=True)
        if np.abs(moved).max() > _SAME:
            return Unusable("the output has other positions than the frame")
        force = np.empty((len(atoms), 3))
        force[order] = data["forces"][0] @ turn.T
        energy = float(data["energies"][0])
        virial = None
        if atoms.pbc.all() and "virials" in data:
            virial = (turn @ data["virials"][0] @ turn.T).ravel()
        elif atoms.pbc.all() and stress is not None:
            virial = (stress * atoms.get_volume()).ravel()
        parts = [np.array(energy), force, *([] if virial is None else [virial])]
        if not all(np.isfinite(part).all() for part in parts):
            return Unusable("the output has values that are not finite")
        return Labels(energy, force, virial)

    def _turn(self, data: Mapping[str, Any], atoms: Atoms) -> np.ndarray | None:
        """The rotation from the frame to the output, since dpdata turns some cells, and forces with
        them, so that they are lower triangular; None if their cells are not the same."""
        if not atoms.pbc.all():
            return np.eye(3)
        strain = np.linalg.solve(atoms.cell.array, data["cells"][0])
        # Digits that were not printed are not a rotation.
        if np.abs(strain - np.eye(3)).max() <= self.cell_tolerance:
            return np.eye(3)
        left, values, right = np.linalg.svd(strain)
        return left @ right if np.abs(values - 1).max() <= self.cell_tolerance else None


def numbers(row: np.ndarray) -> str:
    """Components of a vector, as inputs have them."""
    return " ".join(f"{value:.12f}" for value in row)


def last_line_with(path: Path, words: Sequence[str]) -> str:
    """The last line of a text that has one of some words; empty if there is none."""
    found = ""
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            if any(word in line for word in words):
                found = line
    return found
