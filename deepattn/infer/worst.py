"""The frames with the largest errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from deepattn.infer.statistics import with_force

# Frames that are kept for each of the errors by which they are ranked.
_KEPT = 10


class FrameErrors(NamedTuple):
    """Errors of one frame; NaN where it has no label.

    Attributes:
        system: the system.
        frame: its number in the system, from 0.
        energy: prediction less label, eV/atom.
        force: root mean square error, eV/Å.
        largest: length of the largest error of a force, eV/Å.
        atom: the atom it is at, from 0; −1 without forces.
        virial: root mean square error, eV.
        stress: the same of −virial/volume, eV/Å³.
    """

    system: str
    frame: int
    energy: float
    force: float
    largest: float
    atom: int
    virial: float
    stress: float


class WorstFrames:
    """The frames with the largest errors of energies, and of forces.

    Attributes:
        rows: those frames, the worst forces first.
    """

    def __init__(self) -> None:
        self.rows: list[FrameErrors] = []

    def add(
        self,
        system: str,
        frames: Sequence[int] | np.ndarray,
        *,
        prediction: Mapping[str, np.ndarray],
        labels: Mapping[str, np.ndarray],
        atype: np.ndarray,
        box: np.ndarray | None,
    ) -> None:
        """Add some frames.

        Args:
            system: the system.
            frames: their numbers in it.
            prediction: as for `energy_errors`.
            labels: as for `energy_errors`.
            atype: types ``[n, natoms]``; −1 is a virtual atom.
            box: cell vectors ``[n, 9]`` in Å; None for open boundaries, which have no virial.
        """
        real = atype >= 0
        natoms = np.maximum(np.count_nonzero(real, axis=1), 1)

        def difference(name: str) -> np.ndarray:
            error = prediction[name] - labels[name]
            known = labels[f"find_{name}"].reshape(-1, *[1] * (error.ndim - 1))
            return np.where(known, error, np.nan)

        energy = difference("energy") / natoms
        of_forces = with_force(prediction, atype)
        squares = np.where(of_forces, np.sum(difference("force") ** 2, axis=2), 0.0)
        count = np.maximum(np.count_nonzero(of_forces, axis=1), 1)
        force = np.sqrt(squares.sum(axis=1) / (3 * count))
        atom = squares.argmax(axis=1)
        largest = np.sqrt(squares[np.arange(len(squares)), atom])
        virial, stress = np.full((2, len(natoms)), np.nan)
        if box is not None:
            virial = np.sqrt(np.mean(difference("virial") ** 2, axis=1))
            stress = virial / np.abs(np.linalg.det(box.reshape(-1, 3, 3)))
        atom = np.where(np.isnan(force), -1, atom)
        columns = (energy, force, largest, atom.tolist(), virial, stress)
        self._keep(
            [FrameErrors(system, *row) for row in zip(map(int, frames), *columns, strict=True)]
        )

    def _keep(self, rows: list[FrameErrors]) -> None:
        everyone = self.rows + rows
        kept: dict[tuple[str, int], FrameErrors] = {}
        for size in (lambda row: row.force, lambda row: abs(row.energy)):
            ranked = sorted((row for row in everyone if size(row) >= 0), key=size, reverse=True)
            kept |= {(row.system, row.frame): row for row in ranked[:_KEPT]}
        self.rows = sorted(
            kept.values(), key=lambda row: (np.nan_to_num(row.force), abs(row.energy)), reverse=True
        )
