"""Frames that occur more than once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from deepattn.check.finding import DOUBT, FAULT, Finding, Tally
from deepattn.check.piece import Piece, rounding

# A frame is told from others by so many random projections of its coordinates and cell.
_PROJECTIONS = 4
# Å. Rounding to float32 changes a projection by less, the shortest step of a trajectory by more.
_SAME = 1e-4


class _Seen(NamedTuple):
    path: str
    frames: np.ndarray
    energies: np.ndarray
    marks: np.ndarray


class Duplicates:
    """The same atoms at the same places, within a system or in two, with the same labels or not.

    Frames are compared as they are written: atoms in the same order, in the same cell; virtual
    atoms do not count. Systems with frame or atomic parameters are left out, as their energies
    may differ with reason. Six numbers a frame are kept.
    """

    def __init__(self) -> None:
        self._seen: dict[bytes, list[_Seen]] = {}

    def add(self, piece: Piece) -> None:
        """Look at some frames."""
        if piece.has_parameters:
            return
        for rows in piece.by_types():
            real = piece.real[rows[0]]
            coord = piece.coord[rows][:, real].reshape(len(rows), -1)
            placed = np.concatenate([coord, piece.box[rows]], axis=1)
            random = np.random.Generator(np.random.Philox(placed.shape[1]))
            marks = placed @ random.normal(size=(placed.shape[1], _PROJECTIONS))
            seen = _Seen(piece.path, piece.frames[rows], piece.energy[rows], marks)
            self._seen.setdefault(piece.atype[rows[0], real].tobytes(), []).append(seen)

    def report(self) -> Iterator[Finding]:
        """What was found."""
        again = Tally(DOUBT, "duplicate")
        contradicting = Tally(FAULT, "duplicate", "; which of the labels is right?")
        for seen in self._seen.values():
            paths = [part.path for part in seen for _ in part.frames]
            frames = np.concatenate([part.frames for part in seen])
            energies = np.concatenate([part.energies for part in seen])
            limit = rounding(energies)
            for group in _alike(np.concatenate([part.marks for part in seen])):
                first, *copies = group.tolist()
                for copy in copies:
                    same = paths[first] == paths[copy]
                    where = f"frame {frames[first]}" + ("" if same else f" of {paths[first]}")
                    apart = abs(energies[copy] - energies[first])
                    if apart > limit[copy]:
                        sentence = f"frame {frames[copy]} has the atoms of {where} and another "
                        sentence += f"energy, by {apart:.3g} eV"
                        contradicting.add(paths[copy], frames[copy], sentence, badness=apart)
                    else:
                        sentence = f"frame {frames[copy]} is {where} once more"
                        again.add(paths[copy], frames[copy], sentence, badness=-frames[copy])
        yield from contradicting.report()
        yield from again.report()


def _alike(marks: np.ndarray) -> Iterator[np.ndarray]:
    """Groups of two rows or more that are the same but for rounding, in the order they came."""
    groups = [np.arange(len(marks))]
    # Twice, since what one column parts may part what another held together.
    for column in (*marks.T, *marks.T):
        parts = []
        for group in groups:
            order = group[np.argsort(column[group], kind="stable")]
            parts += np.split(order, np.flatnonzero(np.diff(column[order]) > _SAME) + 1)
        groups = [part for part in parts if len(part) > 1]
    yield from map(np.sort, groups)
