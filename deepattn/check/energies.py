"""Outliers among energies of the same composition."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from deepattn.check.finding import DOUBT, Finding, Tally
from deepattn.check.piece import Piece

# An outlier is so many times as far from the others as half of them are. Heat and strain reach 31
# times in small cells of metals.
_TIMES = 50.0
_ENOUGH = 20
# eV/atom: rounding of labels, what heat makes of a relaxed frame, and bonds of atoms.
_ROUNDING = 1e-3
_HEAT = 0.5
_BONDS = 2.0
_ROUNDS = 50


class _Labels(NamedTuple):
    path: str
    frames: np.ndarray
    energies: np.ndarray
    compositions: np.ndarray


class Energies:
    """Energies far from those of the same composition, or from a regression by elements.

    The regression is of all systems together, and gives little weight to frames that it does not
    explain, so that a wrong label cannot drag it along. Frames of one atom take no part.

    Args:
        type_map: Names of the types.
    """

    def __init__(self, type_map: list[str]) -> None:
        self._kinds = np.arange(len(type_map))
        self._compositions: dict[bytes, int] = {}
        self._labels: list[_Labels] = []

    def add(self, piece: Piece) -> None:
        """Process some frames."""
        rows = np.flatnonzero(np.isfinite(piece.energy) & (piece.natoms > 1))
        if not len(rows):
            return
        counts = np.stack([(piece.atype[rows] == k).sum(axis=1) for k in self._kinds], axis=1)
        distinct, which = np.unique(counts, axis=0, return_inverse=True)
        known = self._compositions
        numbers = np.array([known.setdefault(row.tobytes(), len(known)) for row in distinct])
        energies = piece.energy[rows] / piece.natoms[rows]
        found = _Labels(piece.path, piece.frames[rows], energies, numbers[which.reshape(-1)])
        self._labels.append(found)

    def report(self) -> Iterator[Finding]:
        """The findings."""
        if not self._labels:
            return
        counts = np.array([np.frombuffer(row, np.int64) for row in self._compositions])
        energies = np.concatenate([label.energies for label in self._labels])
        compositions = np.concatenate([label.compositions for label in self._labels])
        parts = counts / counts.sum(axis=1, keepdims=True)
        apart, limit = _from_others(compositions, energies)
        by_elements, bonds = _from_regression(parts, compositions, energies)
        outlying = (np.abs(apart) > limit) | (np.abs(by_elements) > bonds)
        tally = Tally(DOUBT, "energy", "; is it the total energy, in eV?")
        place = 0
        for label in self._labels:
            for row in np.flatnonzero(outlying[place : place + len(label.frames)]):
                others = abs(apart[place + row]) > limit[place + row]
                far = (apart if others else by_elements)[place + row]
                expected = "expected for its composition"
                if others:
                    expected = "of other frames of its composition"
                frame = label.frames[row]
                sentence = (
                    f"the energy of frame {frame}, {label.energies[row]:.3f} eV/atom, is "
                    f"{abs(far):.2f} eV/atom {'above' if far > 0 else 'below'} what {expected}"
                )
                tally.add(label.path, frame, sentence, badness=abs(far))
            place += len(label.frames)
        yield from tally.report()


def _from_regression(
    parts: np.ndarray, compositions: np.ndarray, energies: np.ndarray
) -> tuple[np.ndarray, float]:
    """Distances to a fit by elements with Cauchy's weights, and how far is too far (eV/atom).

    Args:
        parts: Share of each element in each composition, ``[ncompositions, ntypes]``.
        compositions: Composition of each frame, ``[nframes]``.
        energies: eV/atom, ``[nframes]``.
    """
    weights = np.ones(len(energies))
    fit = np.zeros(parts.shape[1])
    for _ in range(_ROUNDS):
        weight = np.bincount(compositions, weights, len(parts))
        weighted = np.bincount(compositions, weights * energies, len(parts))
        matrix = parts.T @ (weight[:, None] * parts)
        last = fit
        fit, *_ = np.linalg.lstsq(matrix, parts.T @ weighted, rcond=1e-10)
        rest = energies - (parts @ fit)[compositions]
        middle = float(np.median(np.abs(rest)))
        weights = 1.0 / (1.0 + (rest / (2.0 * max(middle, _ROUNDING))) ** 2)
        if np.abs(fit - last).max() < _ROUNDING:
            break
    return rest, max(_TIMES * middle, _BONDS)


def _from_others(compositions: np.ndarray, energies: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distances to the median of the composition, and how far is too far (eV/atom)."""
    apart, limit = np.zeros(len(energies)), np.full(len(energies), np.inf)
    order = np.argsort(compositions, kind="stable")
    for same in np.split(order, np.flatnonzero(np.diff(compositions[order])) + 1):
        if len(same) >= _ENOUGH:
            apart[same] = energies[same] - np.median(energies[same])
            limit[same] = max(_TIMES * float(np.median(np.abs(apart[same]))), _HEAT)
    return apart, limit
