"""Some frames of every system, for tests that are too expensive for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii

from deepattn.check.piece import Piece

# Frames and atoms of all systems together, and the frames that any system gives.
_FRAMES = 300
_ATOMS = 6000
_LEAST = 3
_MOST = 64
# Å³ per atom, and Å between two faces; smaller cells, as with lengths in nm, have endless
# neighbors, and in larger ones, as with lengths in pm, there are none.
_ROOM = (2.0, 20000.0)
_THICK = 1.0
# Frames that a system of its own needs to be judged by.
ENOUGH = 11


@dataclass(frozen=True)
class Frame:
    """One frame with its labels.

    Attributes:
        system: Path of the system.
        atoms: The atoms, in Å.
        energy: eV, or NaN.
        force: eV/Å, ``[natoms, 3]``, or NaN.
        virial: eV, ``[3, 3]``, or NaN.
    """

    system: str
    atoms: Atoms
    energy: float
    force: np.ndarray
    virial: np.ndarray

    @property
    def periodic(self) -> bool:
        """Whether the cell repeats."""
        return bool(self.atoms.pbc.any())

    @property
    def radii(self) -> np.ndarray:
        """Covalent radii, Å, ``[natoms]``."""
        return covalent_radii[self.atoms.numbers]


class Sample:
    """Frames evenly spread over each system.

    Systems with frame or atomic parameters are left out, as the labels depend on these too, and
    frames with atoms whose names are no elements.

    Args:
        type_map: Names of the types.
        sizes: Numbers of frames, by the paths of the systems.
    """

    def __init__(self, type_map: Sequence[str], sizes: Mapping[str, int]) -> None:
        self._type_map = list(type_map)
        self._is_element = np.array([name in atomic_numbers for name in type_map], bool)
        self._sizes = sizes
        self.frames: dict[str, list[Frame]] = {}
        self.left_out: dict[str, str] = {}

    def add(self, piece: Piece) -> None:
        """Add some of the frames."""
        path = piece.path
        kept = self.frames.setdefault(path, [])
        if piece.has_parameters:
            self.left_out[path] = "its energies also depend on frame or atomic parameters"
            return
        elements = (self._is_element[np.maximum(piece.atype, 0)] | ~piece.real).all(axis=1)
        small = piece.natoms <= _ATOMS
        if not (elements & small).any() and not kept:
            self.left_out[path] = (
                f"its frames have more than {_ATOMS} atoms"
                if elements.any()
                else "its types are not named after elements"
            )
            return
        self.left_out.pop(path, None)
        wanted = np.clip(_FRAMES // len(self._sizes), _LEAST, _MOST)
        by_atoms = _ATOMS // (len(self._sizes) * int(piece.natoms.max()))
        wanted = min(wanted, max(by_atoms, _LEAST if wanted < ENOUGH else ENOUGH + 1))
        nframes = self._sizes[path]
        chosen = np.linspace(0, nframes - 1, min(wanted, nframes)).astype(int)
        fit = np.isin(piece.frames, chosen) & (piece.natoms > 1) & elements & small & _roomy(piece)
        for row in np.flatnonzero(fit).tolist():
            real = piece.real[row]
            virial = piece.virial[row].reshape(3, 3)
            kept.append(
                Frame(
                    system=path,
                    atoms=piece.atoms(row, self._type_map),
                    energy=float(piece.energy[row]),
                    force=piece.force[row, real].astype(float),
                    virial=virial.astype(float) if virial.any() else np.full((3, 3), np.nan),
                )
            )


def _roomy(piece: Piece) -> np.ndarray:
    """Frames whose cells have room for their atoms."""
    if not piece.periodic:
        return np.ones(len(piece.frames), bool)
    room = piece.volume / piece.natoms
    return (room > _ROOM[0]) & (room < _ROOM[1]) & (piece.thickness > _THICK)
