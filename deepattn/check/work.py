"""Whether forces and virials are the derivatives of the energies."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from ase.units import Bohr, Hartree, kcal, kJ, mol

from deepattn.check.finding import FAULT, Finding
from deepattn.check.piece import Piece

# Frames are near where no atom has moved farther (Å) and no strain is larger.
_MOVED = 0.3
_STRAINED = 0.03
# The work must be larger than this part of what forces and virial change by on the way; where the
# way ends at rest it is the whole.
_OF_CHANGE = 0.5
# It must be so many times the other work, or the difference of the two says nothing of it.
_PREVAILS = 2.0
_LEAST_WORK = 1e-3  # eV; differences of labels are rounded
_ENOUGH = 5
# Bounds of the ratio of energy and work in the median of several pairs. It should be one; basis
# sets that do not follow the cell (Pulay stress) take it to 0.7 where cells relax.
_RIGHT = (0.6, 1.6)
_COMPARED = 64

_UNITS = {
    -1.0: "the {label} has the wrong sign",
    1 / Hartree: "the energy is in Hartree",
    Hartree / Bohr: "the {label} is in Hartree/Bohr",
    kcal / mol: "the {label} is in kcal/mol",
    1 / Bohr: "the energy is in Hartree and the {label} in Hartree/Bohr",
    mol / kcal: "the energy is in kcal/mol",
    mol / kJ: "the energy is in kJ/mol",
}


class _Pair(NamedTuple):
    """From one frame to a near one, in eV.

    Attributes:
        energy: change of the energy.
        force: work of the forces, their mean times the displacements.
        virial: work of the virial, its mean times the strain.
        change: the changes of both on the way, in place of the means.
    """

    energy: float
    force: float
    virial: float
    change: float


class Work:
    """Between near frames, is the change of the energy the work of forces and virial?

    The work is −F̄·u − Ξ̄:ε with means over both frames, u the displacements in the mean cell, ε
    the strain; it is exact to second order in them. Trajectories and strained or relaxing
    cells have near frames; where a system has none nothing can be said.
    """

    def __init__(self) -> None:
        self._systems: dict[str, tuple[int, list[_Pair]]] = {}

    def add(self, piece: Piece) -> None:
        """Look at some frames."""
        known = np.isfinite(piece.energy) & np.isfinite(piece.force).all(axis=(1, 2))
        alike: dict[bytes, list[int]] = {}
        for row in np.flatnonzero(known):
            alike.setdefault(piece.atype[row].tobytes(), []).append(int(row))
        _, pairs = self._systems.setdefault(piece.path, (int(piece.natoms[0]), []))
        for rows in alike.values():
            bounds = [*range(0, len(rows), _COMPARED), len(rows)]
            for first, last in pairwise(bounds):
                pairs += _near_pairs(piece, rows[first:last])

    def report(self) -> Iterator[Finding]:
        """What was found."""
        for path, (natoms, pairs) in self._systems.items():
            if not pairs:
                continue
            energy, force, virial, change = np.array(pairs).T
            for label, work, other in (("force", force, virial), ("virial", virial, force)):
                least = np.maximum(_OF_CHANGE * change, _PREVAILS * np.abs(other))
                chosen = np.abs(work) > np.maximum(least, _LEAST_WORK)
                if np.count_nonzero(chosen) < _ENOUGH:
                    continue
                ratio = float(np.median((energy - other)[chosen] / work[chosen]))
                if not _RIGHT[0] < ratio < _RIGHT[1]:
                    yield _finding(path, label, ratio, np.count_nonzero(chosen), natoms)


def _near_pairs(piece: Piece, rows: list[int]) -> Iterator[_Pair]:
    """Each frame with the one nearest to it, if that is near; every pair once."""
    real = piece.real[rows[0]]
    coord, force = piece.coord[rows][:, real], piece.force[rows][:, real]
    box, virial = piece.box[rows].reshape(-1, 3, 3), piece.virial[rows].reshape(-1, 3, 3)
    done = set()
    for one in range(len(rows)):
        moved, strain = _path(coord, box, one)
        far = np.maximum(
            np.abs(moved).max(axis=(1, 2)) / _MOVED, np.abs(strain).max(axis=(1, 2)) / _STRAINED
        )
        far[one] = np.inf
        other = int(np.argmin(far))
        pair = (min(one, other), max(one, other))
        if far[other] > 1 or pair in done:
            continue
        done.add(pair)
        u, stretch = moved[other], strain[other]
        # A cell that stays as it is needs no virial.
        mean, change = virial[one] + virial[other], virial[other] - virial[one]
        by_virial, left = np.where(stretch == 0, 0.0, [mean * stretch, change * stretch]).sum(
            (1, 2)
        )
        yield _Pair(
            energy=piece.energy[rows[other]] - piece.energy[rows[one]],
            force=-np.sum((force[one] + force[other]) * u) / 2,
            virial=-by_virial / 2,
            change=(abs(np.sum((force[other] - force[one]) * u)) + abs(left)) / 2,
        )


def _path(coord: np.ndarray, box: np.ndarray, one: int) -> tuple[np.ndarray, np.ndarray]:
    """Displacements ``[n, natoms, 3]`` (Å) and strains ``[n, 3, 3]`` from one frame to all."""
    if not box.any():
        return coord - coord[one], np.zeros((len(coord), 3, 3))
    place = np.linalg.solve(box.transpose(0, 2, 1), coord.transpose(0, 2, 1)).transpose(0, 2, 1)
    step = place - place[one]
    mean = (box + box[one]) / 2
    return (step - np.round(step)) @ mean, np.linalg.solve(mean, box - box[one])


def _finding(path: str, label: str, ratio: float, npairs: int, natoms: int) -> Finding:
    known = {**_UNITS, 1 / natoms: "the energy is that of one atom"}
    hint = "are its numbers those of these frames, in the order of coord?"
    for factor, mistake in known.items():
        if 0.9 < ratio / factor < 1.1:
            hint = f"it looks as if {mistake.format(label=label)}"
    message = (
        f"from a frame to a near one the energy changes by {ratio:.3g} times the work of the "
        f"{label}, in the median of {npairs} pairs; {hint}"
    )
    return Finding(FAULT, "units", path, message)
