"""How near atoms come to each other, and whether the lengths are in Å."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf
from ase import Atoms
from ase.data import covalent_radii
from ase.neighborlist import neighbor_list

from deepattn import ops
from deepattn.check.finding import DOUBT, FAULT, Finding, Tally
from deepattn.check.piece import Piece

# Å; less than half of the shortest bond there is, that of hydrogen.
_OVERLAP = 0.3
# Distances as fractions of the sum of two covalent radii: none is shorter than the first, even at
# some hundred GPa, and half of the nearest neighbours lie between the two others.
_CLOSE = 0.5
_USUAL = (0.6, 1.45)
# Å and Å³ an atom; nothing is so dense.
_THIN = 0.5
_FRAMES_OF_A_PIECE = 3
_ROUNDING = 1e-3  # Å


class Distances:
    """Overlapping atoms, neighbours beyond ``sel``, lengths that are not in Å.

    Args:
        type_map: names of the types.
        rcut: cut-off radius, Å.
        sel: slots for neighbours: one number, or one for each type; ``None`` asks nothing.
    """

    def __init__(self, type_map: list[str], *, rcut: float, sel: Sequence[int] | None) -> None:
        self._type_map = type_map
        self._rcut = rcut
        self._sel = None if sel is None else np.asarray(sel)
        self._ratios: list[np.ndarray] = []
        self._thin = Tally(FAULT, "box")
        self._overlap = Tally(FAULT, "overlap")
        self._close = Tally(DOUBT, "distance")
        self._beyond = Tally(DOUBT, "sel", "; the farthest are dropped")

    def add(self, piece: Piece) -> None:
        """Look at some frames."""
        for rows, nearest, count in self._search(piece, self._with_a_cell(piece)):
            for row, distances in zip(rows, nearest, strict=True):
                self._look_at_nearest(piece, row, distances)
            if self._sel is not None:
                self._compare_with_sel(piece, rows, count)
            step = -(-len(rows) // _FRAMES_OF_A_PIECE)
            for row, distances in zip(rows[::step], nearest[::step], strict=True):
                self._measure_bonds(piece, row, distances)

    def report(self) -> Iterator[Finding]:
        """What was found."""
        for tally in (self._thin, self._overlap, self._close, self._beyond):
            yield from tally.report()
        ratios = np.concatenate([np.zeros(0), *self._ratios])
        usual = float(np.median(ratios)) if ratios.size else 1.0
        if not _USUAL[0] < usual < _USUAL[1]:
            sentence = (
                f"from an atom to its nearest neighbour it is {usual:.2f} times the sum of their "
                "covalent radii, in the median of all atoms"
            )
            if not np.isfinite(usual):
                sentence = f"most atoms have no neighbour within {self._rcut:g} Å"
            yield Finding(DOUBT, "lengths", "", f"{sentence}; are the lengths in Å?")

    def _with_a_cell(self, piece: Piece) -> np.ndarray:
        """Rows whose boxes can hold their atoms; the others are reported."""
        if not piece.periodic:
            return np.arange(len(piece.frames))
        box = piece.box.reshape(-1, 3, 3)
        volume = np.abs(np.linalg.det(box))
        faces = np.linalg.norm(np.cross(box[:, [1, 2, 0]], box[:, [2, 0, 1]]), axis=2)
        thickness = volume / faces.max(axis=1)
        thin = np.minimum(thickness, volume / piece.natoms) < _THIN
        for row in np.flatnonzero(thin):
            frame = piece.frames[row]
            sentence = (
                f"the box of frame {frame} is {thickness[row]:.3g} Å thick and has "
                f"{volume[row] / piece.natoms[row]:.3g} Å³ an atom"
            )
            self._thin.add(piece.path, frame, sentence, badness=-thickness[row])
        return np.flatnonzero(~thin)

    def _search(self, piece: Piece, rows: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
        """Rows, their atoms' distances to the nearest neighbours, and numbers of neighbours."""
        if not len(rows):
            return
        arrays = (array[rows] for array in (piece.coord, piece.atype, piece.box))
        try:
            distance2, count = ops.neighbor_stat(
                *arrays, rcut=self._rcut, ntypes=len(self._type_map)
            )
        except tf.errors.InvalidArgumentError:
            if len(rows) > 1:
                for row in rows:
                    yield from self._search(piece, np.array([row]))
                return
            frame = piece.frames[rows[0]]
            sentence = f"in frame {frame} no neighbours can be searched within {self._rcut:g} Å; "
            sentence += "the box is too thin, or an atom is too far outside"
            self._thin.add(piece.path, frame, sentence)
            return
        yield rows, np.sqrt(distance2.numpy()), count.numpy()

    def _look_at_nearest(self, piece: Piece, row: int, nearest: np.ndarray) -> None:
        radii = covalent_radii[piece.atoms(row, self._type_map).numbers]
        largest = radii.max(initial=0.0)
        real = piece.real[row]
        if not np.any(nearest[real] < _CLOSE * (radii + largest)):
            return
        first, second, distance, ratio = _closest_pairs(
            piece.atoms(row, self._type_map), 2 * _CLOSE * largest
        )
        if not len(ratio) or not ratio.min() < _CLOSE:
            return
        k = int(np.argmin(ratio))
        i, j = sorted(np.flatnonzero(real)[[first[k], second[k]]])
        frame = piece.frames[row]
        sentence = f"in frame {frame} atoms {i} and {j} are {distance[k]:.3g} Å apart"
        tally = self._overlap if distance[k] < _OVERLAP else self._close
        tally.add(piece.path, frame, sentence, badness=-distance[k])

    def _measure_bonds(self, piece: Piece, row: int, nearest: np.ndarray) -> None:
        """Keep the distances to nearest neighbours as fractions of bonds."""
        nearest = nearest[piece.real[row]]
        within = nearest[np.isfinite(nearest)]
        self._ratios.append(np.full(len(nearest) - len(within), np.inf))
        if len(within):
            reach = float(within.max()) + _ROUNDING
            *_, ratio = _closest_pairs(piece.atoms(row, self._type_map), reach)
            self._ratios.append(ratio)

    def _compare_with_sel(self, piece: Piece, rows: np.ndarray, count: np.ndarray) -> None:
        if len(self._sel) == 1:
            count = count.sum(axis=2, keepdims=True)
        excess = count - self._sel
        for row, over in zip(rows, excess, strict=True):
            if over.max() > 0:
                atom, kind = np.unravel_index(over.argmax(), over.shape)
                name = "" if len(self._sel) == 1 else f" of {self._type_map[kind]}"
                frame, most = piece.frames[row], over[atom, kind] + self._sel[kind]
                sentence = (
                    f"in frame {frame} atom {atom} has {most} neighbours{name} within "
                    f"{self._rcut:g} Å, but sel is {self._sel[kind]}"
                )
                self._beyond.add(piece.path, frame, sentence, badness=over.max())


def _closest_pairs(atoms: Atoms, reach: float) -> tuple[np.ndarray, ...]:
    """Each atom with a neighbour within ``reach`` (Å) and the neighbour nearest to it for its size.

    Returns:
        The two atoms, their distance (Å), and that as a fraction of the sum of covalent radii.
    """
    first, second, distance = neighbor_list("ijd", atoms, reach)
    radii = covalent_radii[atoms.numbers]
    ratio = distance / (radii[first] + radii[second])
    order = np.lexsort([ratio, first])
    order = order[np.unique(first[order], return_index=True)[1]]
    return first[order], second[order], distance[order], ratio[order]
