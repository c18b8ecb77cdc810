"""Distances between atoms, and whether lengths are in Å."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii
from scipy.spatial import KDTree

from deepattn import ops
from deepattn.check.finding import DOUBT, FAULT, Finding, Tally
from deepattn.check.neighbors import neighbor_pairs
from deepattn.check.piece import Piece

# Å; less than half of the shortest bond there is, that of hydrogen.
_OVERLAP = 0.3
# Distances as fractions of the sum of two covalent radii: none is shorter than the first, even at
# some hundred GPa, and half of the nearest neighbors lie between the two others.
_CLOSE = 0.5
_USUAL = (0.6, 1.45)
# Median of these fractions in other units of length, and whether that is conclusive.
_UNITS = (
    ((1.6, 2.3), "Bohr", DOUBT),
    ((0.06, 0.15), "nm", FAULT),
    ((60.0, 150.0), "pm", FAULT),
)
# Their atoms have no bonds.
_NOBLE = (2, 10, 18, 36, 54, 86)
# Å and Å³ an atom; nothing is so dense.
_THIN = 0.5
_FRAMES_OF_A_SYSTEM = 3
_ROUNDING = 1e-3  # Å
# Per cent of the atoms; a few that are far from all others make the search of all so wide.
_MOST = 90


class Distances:
    """Overlapping atoms, neighbors beyond ``sel``, lengths that are not in Å.

    Args:
        type_map: Names of the types.
        rcut: Cutoff radius, Å.
        sel: Slots for neighbors: one number, or one for each type; ``None`` asks nothing.
    """

    def __init__(self, type_map: list[str], *, rcut: float, sel: Sequence[int] | None) -> None:
        self._type_map = type_map
        self._rcut = rcut
        self._sel = None if sel is None else np.asarray(sel)
        numbers = [atomic_numbers.get(name, 0) for name in type_map]
        # Of names that are no elements nothing is known.
        self._radii = np.where(np.array(numbers) == 0, 0.0, covalent_radii[numbers])
        self._noble = np.isin(numbers, _NOBLE)
        self._ratios: list[np.ndarray] = []
        self._without_cells: dict[str, float] = {}
        self._measured: set[str] = set()
        self._thin = Tally(FAULT, "box")
        self._overlap = Tally(FAULT, "overlap")
        self._close = Tally(DOUBT, "distance")
        self._beyond = Tally(DOUBT, "sel", "; the farthest are dropped")

    def add(self, piece: Piece) -> None:
        """Process some frames."""
        if piece.path not in self._without_cells:
            ratio = _ratio_without_cell(piece.atoms(0, self._type_map))
            self._without_cells[piece.path] = ratio
        for rows, nearest, count in self._search(piece, self._with_a_cell(piece)):
            # Of two atoms too close the larger is at least this close to its nearest neighbor.
            limit = np.maximum(2 * _CLOSE * self._radii[piece.atype[rows]], _OVERLAP)
            near = (piece.real[rows] & (nearest < limit)).any(axis=1)
            for row in rows[near]:
                self._look_closer(piece, row, float(limit.max()))
            if self._sel is not None:
                self._compare_with_sel(self._sel, piece, rows, count)
            if piece.path not in self._measured:
                self._measured.add(piece.path)
                step = -(-len(rows) // _FRAMES_OF_A_SYSTEM)
                for row, distances in zip(rows[::step], nearest[::step], strict=True):
                    self._measure_bonds(piece, row, distances)

    def report(self) -> Iterator[Finding]:
        """The findings."""
        for tally in (self._thin, self._overlap, self._close, self._beyond):
            yield from tally.report()
        ratios = np.concatenate([np.zeros(0), *self._ratios])
        usual = float(np.median(ratios)) if ratios.size else 1.0
        without_cells = [ratio for ratio in self._without_cells.values() if np.isfinite(ratio)]
        nearest = usual
        if without_cells and (not ratios.size or not np.isfinite(usual)):
            nearest = float(np.median(without_cells))
        if not ratios.size:
            usual = nearest
        if not _USUAL[0] < usual < _USUAL[1]:
            sentence = (
                f"the median distance to the nearest neighbor is {usual:.2f} times the sum "
                "of the covalent radii"
            )
            if not np.isfinite(usual):
                sentence = f"most atoms have no neighbor within {self._rcut:g} Å"
            fitting = [(unit, level) for (a, b), unit, level in _UNITS if a < nearest < b]
            hint, level = "are lengths in Å?", DOUBT
            if fitting:
                ((unit, level),) = fitting
                hint = f"it looks as if the lengths are in {unit}, not in Å"
            yield Finding(level, "lengths", "", f"{sentence}; {hint}")

    def _with_a_cell(self, piece: Piece) -> np.ndarray:
        """Rows whose boxes can hold their atoms; the others are reported."""
        if not piece.periodic:
            return np.arange(len(piece.frames))
        volume, thickness = piece.volume, piece.thickness
        thin = np.minimum(thickness, volume / piece.natoms) < _THIN
        for row in np.flatnonzero(thin):
            frame = piece.frames[row]
            sentence = (
                f"the box of frame {frame} is {thickness[row]:.3g} Å thick and has "
                f"{volume[row] / piece.natoms[row]:.3g} Å³ per atom"
            )
            self._thin.add(piece.path, frame, sentence, badness=-thickness[row])
        return np.flatnonzero(~thin)

    def _search(self, piece: Piece, rows: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
        """Rows, their atoms' distances to the nearest neighbors, and numbers of neighbors."""
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
            sentence = f"in frame {frame} neighbors within {self._rcut:g} Å cannot be searched; "
            sentence += "the box is too thin, or an atom is too far outside"
            self._thin.add(piece.path, frame, sentence)
            return
        yield rows, np.sqrt(distance2.numpy()), count.numpy()

    def _look_closer(self, piece: Piece, row: int, reach: float) -> None:
        """Report the two atoms of a frame that are closest for their size."""
        pairs = _closest_pairs(piece.atoms(row, self._type_map), reach)
        bad = (pairs.distance < _OVERLAP) | (pairs.ratio < _CLOSE)
        if not bad.any():
            return
        k = int(np.argmin(np.where(bad, pairs.distance, np.inf)))
        i, j = sorted(np.flatnonzero(piece.real[row])[[pairs.first[k], pairs.second[k]]])
        frame, distance = piece.frames[row], pairs.distance[k]
        sentence = f"in frame {frame} atoms {i} and {j} are {distance:.3g} Å apart"
        tally = self._overlap if distance < _OVERLAP else self._close
        tally.add(piece.path, frame, sentence, badness=-distance)

    def _measure_bonds(self, piece: Piece, row: int, nearest: np.ndarray) -> None:
        """Keep the distances to nearest neighbors as fractions of bonds."""
        kinds = np.maximum(piece.atype[row], 0)
        known = (self._radii[kinds] > 0) & ~self._noble[kinds]
        nearest = nearest[piece.real[row] & known]
        within = nearest[np.isfinite(nearest)]
        if piece.natoms[row] > 1:
            self._ratios.append(np.full(len(nearest) - len(within), np.inf))
        if len(within):
            reach = float(np.percentile(within, _MOST)) + _ROUNDING
            pairs = _closest_pairs(piece.atoms(row, self._type_map), reach)
            bonded = known[piece.real[row]][pairs.first]
            self._ratios.append(pairs.ratio[np.isfinite(pairs.ratio) & bonded])

    def _compare_with_sel(
        self, sel: np.ndarray, piece: Piece, rows: np.ndarray, count: np.ndarray
    ) -> None:
        if len(sel) == 1:
            count = count.sum(axis=2, keepdims=True)
        excess = count - sel
        for row, over in zip(rows, excess, strict=True):
            if over.max() > 0:
                atom, kind = np.unravel_index(over.argmax(), over.shape)
                name = "" if len(sel) == 1 else f" of {self._type_map[kind]}"
                frame, most = piece.frames[row], over[atom, kind] + sel[kind]
                sentence = (
                    f"in frame {frame} atom {atom} has {most} neighbors{name} within "
                    f"{self._rcut:g} Å, but sel is {sel[kind]}"
                )
                self._beyond.add(piece.path, frame, sentence, badness=over.max())


def _ratio_without_cell(atoms: Atoms) -> float:
    """Median distance to the nearest atom of the cell over the sum of radii, or NaN."""
    known = (atoms.numbers > 0) & ~np.isin(atoms.numbers, _NOBLE)
    atoms = atoms[known]
    if len(atoms) < 2:
        return np.nan
    distance, nearest = KDTree(atoms.positions).query(atoms.positions, k=2)
    radii = covalent_radii[atoms.numbers]
    return float(np.median(distance[:, 1] / (radii + radii[nearest[:, 1]])))


class _Pairs(NamedTuple):
    """Two atoms each, their distance (Å), and that over the sum of their covalent radii or NaN."""

    first: np.ndarray
    second: np.ndarray
    distance: np.ndarray
    ratio: np.ndarray


def _closest_pairs(atoms: Atoms, reach: float) -> _Pairs:
    """Each atom that has a neighbor within ``reach`` (Å), with the nearest for their sizes."""
    first, second, distance, _ = neighbor_pairs(atoms, reach)
    radii = np.where(atoms.numbers == 0, np.nan, covalent_radii[atoms.numbers])
    ratio = distance / (radii[first] + radii[second])
    order = np.lexsort([distance, ratio, first])
    order = order[np.unique(first[order], return_index=True)[1]]
    return _Pairs(first[order], second[order], distance[order], ratio[order])
