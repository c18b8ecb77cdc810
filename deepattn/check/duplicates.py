"""Frames that occur more than once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.spatial import cKDTree

from deepattn.check.finding import DOUBT, FAULT, Finding, Tally
from deepattn.check.piece import Piece

# A frame is told from others by so many random projections of its coordinates and cell.
_PROJECTIONS = 4
# Å. Rounding to float32 changes a projection by less, the shortest step of a trajectory by more.
_SAME = 1e-4
# eV; a label that was computed anew differs by less.
_SAME_ENERGY = 1e-3


class Duplicates:
    """The same atoms at the same places, within a system or in two, with the same labels or not.

    Frames are compared as they are written: atoms in the same order, in the same cell. Four numbers
    a frame are kept, so that millions of frames can be compared.
    """

    def __init__(self) -> None:
        self._groups: dict[bytes, list[tuple[str, int, float, np.ndarray]]] = {}

    def add(self, piece: Piece) -> None:
        """Look at some frames."""
        placed = np.concatenate([piece.coord.reshape(len(piece.frames), -1), piece.box], axis=1)
        random = np.random.Generator(np.random.Philox(placed.shape[1]))
        marks = placed @ random.normal(size=(placed.shape[1], _PROJECTIONS))
        for row, frame in enumerate(piece.frames):
            known = (piece.path, int(frame), float(piece.energy[row]), marks[row])
            self._groups.setdefault(piece.atype[row].tobytes(), []).append(known)

    def report(self) -> Iterator[Finding]:
        """What was found."""
        again = Tally(DOUBT, "duplicate")
        contradicting = Tally(FAULT, "duplicate", "; which of the labels is right?")
        for group in self._groups.values():
            for first, second in _pairs(np.array([marks for *_, marks in group])):
                path, frame, energy, _ = group[first]
                other, copy, its_energy, _ = group[second]
                where = f"frame {frame}" if path == other else f"frame {frame} of {path}"
                apart = abs(its_energy - energy)
                if apart > _SAME_ENERGY:
                    sentence = f"frame {copy} has the atoms of {where} and another energy, by "
                    contradicting.add(other, copy, f"{sentence}{apart:.3g} eV", badness=apart)
                else:
                    again.add(other, copy, f"frame {copy} is {where} once more", badness=-copy)
        yield from contradicting.report()
        yield from again.report()


def _pairs(marks: np.ndarray) -> Iterator[tuple[int, int]]:
    """Every frame that has occurred before, with its first occurrence."""
    different, group = np.unique(marks, axis=0, return_inverse=True)
    group = group.reshape(-1)
    first = np.full(len(different), len(marks))
    np.minimum.at(first, group, np.arange(len(marks)))
    for one, other in sorted(cKDTree(different).query_pairs(_SAME, p=np.inf)):
        first[[one, other]] = min(first[one], first[other])
    for place in np.flatnonzero(first[group] < np.arange(len(marks))):
        yield int(first[group[place]]), int(place)
