"""Energies that neither the composition nor the other frames of it explain."""

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
# eV/atom: rounding of labels, and what bonds make of atoms.
_ROUNDING = 1e-3
_BONDS = 2.0
_ROUNDS = 50


class _Label(NamedTuple):
    path: str
    frame: int
    energy: float
    counts: np.ndarray


class Energies:
    """Energies far from those of the same composition, or from a regression by elements.

    The regression is of all systems together, and gives little weight to frames that it does not
    explain, so that a wrong label cannot drag it along.

    Args:
        type_map: names of the types.
    """

    def __init__(self, type_map: list[str]) -> None:
        self._ntypes = len(type_map)
        self._labels: list[_Label] = []

    def add(self, piece: Piece) -> None:
        """Look at some frames."""
        for row in np.flatnonzero(np.isfinite(piece.energy)):
            atype = piece.atype[row]
            counts = np.bincount(atype[atype >= 0], minlength=self._ntypes)
            energy = float(piece.energy[row] / piece.natoms[row])
            self._labels.append(_Label(piece.path, int(piece.frames[row]), energy, counts))

    def report(self) -> Iterator[Finding]:
        """What was found."""
        if not self._labels:
            return
        counts = np.array([label.counts for label in self._labels])
        energies = np.array([label.energy for label in self._labels])
        parts = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        apart, limit = _from_others(counts, energies)
        by_elements, bonds = _from_regression(parts, energies)
        tally = Tally(DOUBT, "energy", "; is it the total energy, in eV?")
        for place in np.flatnonzero((np.abs(apart) > limit) | (np.abs(by_elements) > bonds)):
            path, frame, energy, _ = self._labels[place]
            others = abs(apart[place]) > limit[place]
            far = apart[place] if others else by_elements[place]
            sentence = (
                f"the energy of frame {frame}, {energy:.3f} eV/atom, is {abs(far):.2f} eV/atom "
                f"{'above' if far > 0 else 'below'} what "
                f"{'others of its composition have' if others else 'its composition lets expect'}"
            )
            tally.add(path, frame, sentence, badness=abs(far))
        yield from tally.report()


def _from_regression(parts: np.ndarray, energies: np.ndarray) -> tuple[np.ndarray, float]:
    """Distances to a fit by composition with Cauchy's weights, and how far is too far (eV/atom)."""
    weights = np.ones(len(energies))
    rest = energies
    for _ in range(_ROUNDS):
        fit, *_ = np.linalg.lstsq(weights[:, None] * parts, weights * energies, rcond=None)
        rest = energies - parts @ fit
        scale = 2.0 * max(float(np.median(np.abs(rest))), _ROUNDING)
        weights = 1.0 / np.sqrt(1.0 + (rest / scale) ** 2)
    return rest, max(_TIMES * float(np.median(np.abs(rest))), _BONDS)


def _from_others(counts: np.ndarray, energies: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distances to the median of the composition, and how far is too far (eV/atom)."""
    apart, limit = np.zeros(len(energies)), np.full(len(energies), np.inf)
    _, group = np.unique(counts, axis=0, return_inverse=True)
    order = np.argsort(group.reshape(-1), kind="stable")
    for same in np.split(order, np.flatnonzero(np.diff(group.reshape(-1)[order])) + 1):
        if len(same) >= _ENOUGH:
            apart[same] = energies[same] - np.median(energies[same])
            limit[same] = _TIMES * max(float(np.median(np.abs(apart[same]))), _ROUNDING)
    return apart, limit
