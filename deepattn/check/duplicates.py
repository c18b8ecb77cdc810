"""Frames that occur more than once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from deepattn.check.finding import DOUBT, FAULT, Finding, Tally
from deepattn.check.piece import Piece, rounding

# Number of random projections of coordinates and cell that identify a frame.
_PROJECTIONS = 4
_SAME = 1e-4  # Å; the shortest step of a trajectory is more


class _Seen(NamedTuple):
    path: str
    frames: np.ndarray
    energies: np.ndarray
    marks: np.ndarray
    extent: float


class Duplicates:
    """The same atoms at the same places, within a system or in two, with the same energy or not.

    Frames are compared as they are written: atoms in the same order, in the same cell; virtual
    atoms do not count. Systems with frame or atomic parameters are left out, as their energies
    may differ with reason. Of each frame a few numbers are kept.
    """

    def __init__(self) -> None:
        self._seen: dict[bytes, list[_Seen]] = {}

    def add(self, piece: Piece) -> None:
        """Process some frames."""
        if piece.has_parameters:
            return
        for rows in piece.by_types():
            real = piece.real[rows[0]]
            coord = piece.coord[rows][:, real].reshape(len(rows), -1)
            placed = np.concatenate([coord, piece.box[rows]], axis=1)
            random = np.random.Generator(np.random.Philox(placed.shape[1]))
            marks = placed @ random.normal(size=(placed.shape[1], _PROJECTIONS))
            extent = float(np.abs(placed).max())
            seen = _Seen(piece.path, piece.frames[rows], piece.energy[rows], marks, extent)
            self._seen.setdefault(piece.atype[rows[0], real].tobytes(), []).append(seen)

    def report(self) -> Iterator[Finding]:
        """The findings."""
        again = Tally(DOUBT, "duplicate")
        contradicting = Tally(FAULT, "duplicate", "; which label is right?")
        for types, seen in self._seen.items():
            natoms = len(types) // np.dtype(np.int32).itemsize
            paths = [part.path for part in seen for _ in part.frames]
            frames = np.concatenate([part.frames for part in seen])
            energies = np.concatenate([part.energies for part in seen])
            limit = rounding(energies, natoms)
            same = _tolerance(natoms, max(part.extent for part in seen))
            for first, copy in _pairs(np.concatenate([part.marks for part in seen]) / same):
                where = f"frame {frames[first]}"
                if paths[first] != paths[copy]:
                    where += f" of {paths[first]}"
                apart = abs(energies[copy] - energies[first])
                if apart > limit[copy]:
                    sentence = (
                        f"frame {frames[copy]} has the same atoms as {where}, but a different "
                        "energy"
                    )
                    sentence += f", by {apart:.3g} eV"
                    contradicting.add(paths[copy], frames[copy], sentence, badness=apart)
                else:
                    sentence = f"frame {frames[copy]} is a duplicate of {where}"
                    again.add(paths[copy], frames[copy], sentence, badness=-frames[copy])
        yield from contradicting.report()
        yield from again.report()


def _tolerance(natoms: int, extent: float) -> float:
    """How far projections of one frame may be apart when one copy was rounded to float32."""
    return max(_SAME, np.sqrt(3 * natoms + 9) * float(np.spacing(np.float32(extent))))


def _pairs(marks: np.ndarray) -> Iterator[tuple[int, int]]:
    """Every frame that has occurred before, with its first occurrence.

    Args:
        marks: Projections, in units of what they may differ by.
    """
    # One frame stands for all that share a cell of a grid, so that crowds cost no more.
    _, first, cell = np.unique(np.round(marks), axis=0, return_index=True, return_inverse=True)
    cell = cell.reshape(-1)
    origin = np.full(len(first), len(marks))
    np.minimum.at(origin, cell, np.arange(len(marks)))
    for one, other in sorted(cKDTree(marks[first]).query_pairs(1.0, p=np.inf)):
        origin[[one, other]] = origin[[one, other]].min()
    for copy in np.flatnonzero(origin[cell] < np.arange(len(marks))):
        yield int(origin[cell[copy]]), int(copy)
