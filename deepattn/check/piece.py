"""Frames of a system as the checks take them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from deepattn.check.finding import FAULT, Finding, Tally
from deepattn.data import System
from deepattn.errors import DataError

_ATOMS_AT_ONCE = 1 << 14


@dataclass(frozen=True)
class Piece:
    """Some frames of one system, each with an atom at least; labels that are missing are NaN.

    Attributes:
        path: The system.
        has_parameters: Whether frames or atoms have parameters, on which the energy depends too.
        frames: Numbers of the frames in it, ``[n]``.
        coord: ``[n, natoms, 3]``, Å.
        atype: Types by the common type map, ``[n, natoms]``; −1 is a virtual atom.
        box: ``[n, 9]``, Å; zero for open boundaries.
        energy: ``[n]``, eV.
        force: ``[n, natoms, 3]``, eV/Å.
        virial: ``[n, 9]``, eV.
    """

    path: str
    has_parameters: bool
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
        return self.real.sum(axis=1)

    @property
    def periodic(self) -> bool:
        """Whether the cells repeat."""
        return bool(self.box.any())

    @property
    def volume(self) -> np.ndarray:
        """Of the cells, Å³, ``[n]``; 0 without one."""
        return np.abs(np.linalg.det(self.box.reshape(-1, 3, 3)))

    @property
    def thickness(self) -> np.ndarray:
        """The shortest distance of two opposite faces of each cell, Å, ``[n]``; 0 without one."""
        box = self.box.reshape(-1, 3, 3)
        faces = np.linalg.norm(np.cross(box[:, [1, 2, 0]], box[:, [2, 0, 1]]), axis=2).max(axis=1)
        return np.divide(self.volume, faces, out=np.zeros_like(faces), where=faces > 0)

    def rows(self, chosen: np.ndarray) -> Piece:
        """Some of the frames."""
        arrays = {field.name: getattr(self, field.name) for field in fields(self)[2:]}
        chosen_arrays = {name: array[chosen] for name, array in arrays.items()}
        return Piece(self.path, self.has_parameters, **chosen_arrays)

    def by_types(self) -> Iterator[np.ndarray]:
        """Rows of the frames whose atoms are of the same types in the same order."""
        _, group = np.unique(self.atype, axis=0, return_inverse=True)
        group = group.reshape(-1)
        order = np.argsort(group, kind="stable")
        yield from np.split(order, np.flatnonzero(np.diff(group[order])) + 1)

    def atoms(self, row: int, type_map: list[str]) -> Atoms:
        """One frame for ASE; atoms of names that are no elements are element 0."""
        real = self.real[row]
        numbers = [atomic_numbers.get(type_map[kind], 0) for kind in self.atype[row, real]]
        cell = self.box[row].reshape(3, 3)
        return Atoms(numbers, self.coord[row, real], cell=cell, pbc=self.periodic)


def read_pieces(system: System, findings: list[Finding]) -> Iterator[Piece]:
    """Read a system in pieces.

    Args:
        system: The system to read.
        findings: Takes what cannot be read, which is left out.
    """
    unread = Tally(FAULT, "numbers")
    for frames in system.pieces(_ATOMS_AT_ONCE):
        try:
            piece = _piece(system, frames)
        except DataError as error:
            readable, file = _readable(system, frames, unread, str(error))
            if file is not None:
                message = _inside(system, file)
                findings += [Finding(FAULT, "files", system.path, message), *unread.report()]
                return
            if not readable:
                continue
            piece = _piece(system, readable)
        empty = piece.natoms == 0
        for frame in piece.frames[empty]:
            unread.add(system.path, frame, f"frame {frame} contains only virtual atoms")
        if not empty.all():
            yield piece.rows(~empty)
    findings += unread.report()


def _readable(
    system: System, frames: np.ndarray, unread: Tally, sentence: str
) -> tuple[list[int], str | None]:
    """The readable frames; or the error of a file, if two frames have the same."""
    readable, errors = [], {}
    for frame in frames:
        try:
            _piece(system, [frame])
            readable.append(int(frame))
        except DataError as error:
            if str(error) in errors:
                return [], sentence
            errors[str(error)] = frame
    for complaint, frame in errors.items():
        unread.add(system.path, frame, _inside(system, complaint))
    return readable, None


def _inside(system: System, sentence: str) -> str:
    """A sentence that begins with a file of the system, which is named already."""
    return sentence.replace(f"{system.path}/", "")


def _piece(system: System, frames: np.ndarray | list[int]) -> Piece:
    inputs, labels = system.frames(frames)
    for name in ("energy", "force", "virial"):
        labels[name][labels[f"find_{name}"] == 0] = np.nan
    return Piece(
        path=system.path,
        has_parameters=bool(system.has("fparam").any() or system.has("aparam").any()),
        frames=np.asarray(frames),
        coord=inputs["coord"],
        atype=inputs["atype"],
        box=inputs["box"],
        energy=labels["energy"],
        force=labels["force"],
        virial=labels["virial"],
    )


def rounding(energy: np.ndarray, natoms: np.ndarray | int) -> np.ndarray:
    """Tolerance within which two energies are the same, eV.

    Args:
        energy: The labels, which may have the digits of float32 only.
        natoms: Number of atoms; codes converge an energy to so much an atom.
    """
    return converged(natoms) + digits(energy)


def converged(natoms: np.ndarray | int) -> np.ndarray | float:
    """How far codes converge the energy of so many atoms, eV."""
    return 1e-3 + 1e-5 * natoms


def digits(energy: np.ndarray) -> np.ndarray:
    """Rounding error of energies in float32, in their unit."""
    energy = np.nan_to_num(np.abs(energy)).astype(np.float32)
    return 4.0 * np.spacing(energy).astype(np.float64)
