"""A first-principles code: writing its input for a frame, and reading its labels."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import ClassVar

import dpdata
import numpy as np
from ase import Atoms
from ase.geometry import find_mic

from deepattn.distill.potential import Labels
from deepattn.errors import DataError
from deepattn.learn.labels.config import JobsConfig
from deepattn.learn.labels.store import Unusable

# Folder for what a code writes and nobody reads, which is removed when it has ended.
SCRATCH = "scratch"
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
        outputs: Files that `read` and `fault` need.
        format: dpdata's name of the format of the first of the outputs.
        species: Where the template has its elements.
        refinements: By what can be made finer, the factor of the setting.
    """

    inputs: ClassVar[tuple[str, ...]]
    outputs: ClassVar[tuple[str, ...]]
    format: ClassVar[str]
    species: ClassVar[str]
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

    @abstractmethod
    def files(self) -> list[Path]:
        """Files of the template that all runs need as they are."""

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
            DataError: It has open boundaries, or an element that the template does not have.
        """
        if not atoms.pbc.all():
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

    def read(self, atoms: Atoms, folder: Path) -> Labels | Unusable:
        """The labels of a run, or why it cannot be used."""
        empty = [
            name
            for name in self.outputs
            if not (folder / name).is_file() or not (folder / name).stat().st_size
        ]
        if empty:
            return Unusable(f"there is no {empty[0]}, so the command has failed")
        reason = self.fault(folder)
        if reason:
            return Unusable(reason)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                system = dpdata.LabeledSystem(str(folder / self.outputs[0]), fmt=self.format)
        # Its readers raise whatever they like.
        except Exception as error:
            return Unusable(f"{self.outputs[0]} cannot be read ({' '.join(str(error).split())})")
        if len(system) == 0:
            return Unusable(f"{self.outputs[0]} has no frame whose electrons converged")
        return _labels_of(system[len(system) - 1], atoms, self.order(atoms))


def _labels_of(system: dpdata.LabeledSystem, atoms: Atoms, order: np.ndarray) -> Labels | Unusable:
    """The labels of one frame in the orientation and order of the frame that was asked for."""
    data = system.data
    names = [data["atom_names"][kind] for kind in data["atom_types"]]
    if names != [atoms.get_chemical_symbols()[place] for place in order]:
        return Unusable("the output has other atoms than the frame")
    # dpdata turns cells, and forces with them, so that they are lower triangular.
    turn = np.eye(3)
    if atoms.pbc.all():
        turn = np.linalg.solve(atoms.cell.array, data["cells"][0])
        if not np.allclose(turn @ turn.T, np.eye(3), atol=1e-4):
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
    parts = [np.array(energy), force, *([] if virial is None else [virial])]
    if not all(np.isfinite(part).all() for part in parts):
        return Unusable("the output has values that are not finite")
    return Labels(energy, force, virial)


def last_line_with(path: Path, words: Sequence[str]) -> str:
    """The last line of a text that has one of some words; empty if there is none."""
    found = ""
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            if any(word in line for word in words):
                found = line
    return found
