"""Frames of a system as the checks take them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from deepattn.check.finding import Tally
from deepattn.data import System
from deepattn.errors import DataError

_ATOMS_AT_ONCE = 1 << 14


@dataclass(frozen=True)
class Piece:
    """Some frames of one system; labels that are missing are NaN.

    Attributes:
        path: the system.
        frames: numbers of the frames in it, ``[n]``.
        coord: ``[n, natoms, 3]``, Å.
        atype: types by the common type map, ``[n, natoms]``; −1 is a virtual atom.
        box: ``[n, 9]``, Å; zero for open boundaries.
        energy: ``[n]``, eV.
        force: ``[n, natoms, 3]``, eV/Å.
        virial: ``[n, 9]``, eV.
    """

    path: str
    frames: np.ndarray
    coord: np.ndarray
    atype: np.ndarray
    box: np.ndarray
    energy: np.ndarray
    force: np.ndarray
    virial: np.ndarray

    @property
    def real(self) -> np.ndarray:
        """Which atoms are not virtual, ``[n, natoms]``."""
        return self.atype >= 0

    @property
    def natoms(self) -> np.ndarray:
        """Number of atoms that are not virtual, ``[n]``."""
        return np.maximum(self.real.sum(axis=1), 1)

    @property
    def periodic(self) -> bool:
        """Whether the cells repeat."""
        return bool(self.box.any())

    def atoms(self, row: int, type_map: list[str]) -> Atoms:
        """One frame for ASE; atoms of names that are no elements are element 0."""
        real = self.real[row]
        numbers = [atomic_numbers.get(type_map[kind], 0) for kind in self.atype[row, real]]
        cell = self.box[row].reshape(3, 3)
        return Atoms(numbers, self.coord[row, real], cell=cell, pbc=self.periodic)


def read_pieces(system: System, unread: Tally) -> Iterator[Piece]:
    """Read a system in pieces.

    Args:
        system: what to read.
        unread: takes the frames that cannot be read, which are left out.
    """
    for frames in system.pieces(_ATOMS_AT_ONCE):
        try:
            yield _piece(system, frames)
        except DataError:
            whole = [frame for frame in frames if _is_readable(system, frame, unread)]
            if whole:
                yield _piece(system, whole)


def _is_readable(system: System, frame: int, unread: Tally) -> bool:
    try:
        _piece(system, [frame])
    except DataError as error:
        unread.add(system.path, frame, str(error))
        return False
    return True


def _piece(system: System, frames: np.ndarray | list[int]) -> Piece:
    inputs, labels = system.frames(frames)
    for name in ("energy", "force", "virial"):
        labels[name][labels[f"find_{name}"] == 0] = np.nan
    return Piece(
        path=system.path,
        frames=np.asarray(frames),
        coord=inputs["coord"],
        atype=inputs["atype"],
        box=inputs["box"],
        energy=labels["energy"],
        force=labels["force"],
        virial=labels["virial"],
    )
