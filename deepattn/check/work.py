"""Whether forces and virials are the derivatives of the energies."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from ase.units import Bohr, Hartree, kcal, kJ, mol

from deepattn.check.finding import FAULT, Finding
from deepattn.check.piece import Piece, rounding

# Frames are near where no atom has moved farther (Å) and no strain is larger.
_MOVED = 0.3
_STRAINED = 0.03
_COMPARED = 64
_ENOUGH = 5
_PAIRS = 1000
# The work is of use where it is more than this part of what forces and virial change by on the
# way, times the way; where the way ends at rest it is the whole.
_OF_CHANGE = 0.5
# Bounds of the ratio of energy and work, which should be one; basis sets that do not follow the
# cell (Pulay stress) take it to 0.7 where cells relax.
_RIGHT = (0.6, 1.6)
# So many times the change may be unexplained in the median.
_UNEXPLAINED = 3.0
_ROUNDS = 30

_ENERGY = {
    1 / Hartree: "the energy is in Hartree",
    mol / kcal: "the energy is in kcal/mol",
    mol / kJ: "the energy is in kJ/mol",
}
_UNITS = {
    "force": {
        -1.0: "the force has the wrong sign",
        Hartree / Bohr: "the force is in Hartree/Bohr",
        1 / Bohr: "the energy is in Hartree and the force in Hartree/Bohr",
        kcal / mol: "the force is in kcal/mol",
        **_ENERGY,
    },
    "virial": {
        -1.0: "the virial has the wrong sign",
        Hartree: "the virial is in Hartree",
        **_ENERGY,
    },
}


class _Pair(NamedTuple):
    """From one frame to a near one, in eV.

    Attributes:
        energy: change of the energy.
        force: work of the forces, their mean times the displacements.
        virial: work of the virial, its mean times the strain.
        open: what is not known of them: part of their changes on the way, and rounding.
        natoms: number of atoms.
    """

    energy: float
    force: float
    virial: float
    open: float
    natoms: int


class Work:
    """Between near frames, is the change of the energy the work of forces and virial?

    The work is −F̄·u − Ξ̄:ε with means over both frames, u the displacements in the mean cell, ε
    the strain; it is exact to second order in them. Trajectories and strained or relaxing
    cells have near frames; where a system has none nothing can be said. A virial of zeros is
    none.
    """

    def __init__(self) -> None:
        self._systems: dict[str, list[_Pair]] = {}

    def add(self, piece: Piece) -> None:
        """Look at some frames."""
        pairs = self._systems.setdefault(piece.path, [])
        if piece.has_parameters:
            return
        known = np.isfinite(piece.energy) & np.isfinite(piece.force[:, 0, 0])
        for rows in piece.by_types():
            rows = rows[known[rows]]
            bounds = [*range(0, len(rows), _COMPARED), len(rows)]
            for first, last in pairwise(bounds):
                if len(pairs) < _PAIRS:
                    pairs += _near_pairs(piece, rows[first:last])

    def report(self) -> Iterator[Finding]:
        """What was found."""
        for path, pairs in self._systems.items():
            if len(pairs) >= _ENOUGH and (sentence := _judge(pairs)):
                message = f"in {len(pairs)} pairs of near frames {sentence}"
                yield Finding(FAULT, "units", path, message)


def _near_pairs(piece: Piece, rows: np.ndarray) -> Iterator[_Pair]:
    """Each frame with the one nearest to it, if that is near; every pair once."""
    if len(rows) < 2:
        return
    real = piece.real[rows[0]]
    coord, force, energy = (
        piece.coord[rows][:, real],
        piece.force[rows][:, real],
        piece.energy[rows],
    )
    box, virial = piece.box[rows].reshape(-1, 3, 3), piece.virial[rows].reshape(-1, 3, 3)
    virial = np.where(virial.any(axis=(1, 2), keepdims=True), virial, np.nan)
    place = coord
    if piece.periodic:
        place = np.linalg.solve(box.transpose(0, 2, 1), coord.transpose(0, 2, 1)).transpose(0, 2, 1)
    done = set()
    for one in range(len(rows)):
        moved, strain = _path(place, box, one)
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
        if np.isfinite(by_virial):
            on_the_way = (abs(np.sum((force[other] - force[one]) * u)) + abs(left)) / 2
            yield _Pair(
                energy=energy[other] - energy[one],
                force=-np.sum((force[one] + force[other]) * u) / 2,
                virial=-by_virial / 2,
                open=_OF_CHANGE * on_the_way + float(rounding(energy[one])),
                natoms=int(real.sum()),
            )


def _path(place: np.ndarray, box: np.ndarray, one: int) -> tuple[np.ndarray, np.ndarray]:
    """Displacements ``[n, natoms, 3]`` (Å) and strains ``[n, 3, 3]`` from one frame to all.

    Args:
        place: coordinates in the cell, or in Å in open boundaries.
        box: cells ``[n, 3, 3]``, Å.
        one: the frame to start from.
    """
    step = place - place[one]
    if not box.any():
        return step, np.zeros((len(place), 3, 3))
    mean = (box + box[one]) / 2
    return (step - np.round(step)) @ mean, np.linalg.solve(mean, box - box[one])


def _judge(pairs: list[_Pair]) -> str | None:
    """What is wrong with the energies, forces or virials of a system."""
    energy, force, virial, open_, natoms = np.array(pairs).T
    works = {"force": force, "virial": virial}
    telling = {
        label: work for label, work in works.items() if np.sum(np.abs(work) > open_) >= _ENOUGH
    }
    others = sum((work for label, work in works.items() if label not in telling), np.zeros(1))
    rest = (energy - others) / open_
    ratios = _fit(np.reshape([work / open_ for work in telling.values()], (-1, len(pairs))), rest)
    wrong = {
        label: ratio
        for label, ratio in zip(telling, ratios, strict=True)
        if not _RIGHT[0] < ratio < _RIGHT[1]
    }
    if wrong:
        return "; ".join(_explain(*item, set(natoms.astype(int))) for item in wrong.items())
    explained = sum((r * works[k] for k, r in zip(telling, ratios, strict=True)), others)
    if np.median(np.abs(energy - explained) / open_) > _UNEXPLAINED:
        return (
            "the change of the energy is not the work of forces and virial; are the labels those "
            "of these frames, in the order of coord?"
        )
    return None


def _fit(works: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Factors of the works that explain ``rest`` best, with Cauchy's weights."""
    weights = np.ones(len(rest))
    factors = np.ones(len(works))
    for _ in range(_ROUNDS if len(works) else 0):
        root = np.sqrt(weights)
        factors, *_ = np.linalg.lstsq((root * works).T, root * rest, rcond=None)
        left = rest - factors @ works
        scale = 2.0 * max(float(np.median(np.abs(left))), 1e-3)
        weights = 1.0 / (1.0 + (left / scale) ** 2)
    return factors


def _explain(label: str, ratio: float, natoms: set[int]) -> str:
    """A ratio that is not one, with the mistakes that lead to it."""
    known = list(_UNITS[label].items())
    known += [(1 / count, "the energy is that of one atom") for count in natoms]
    fitting = dict.fromkeys(words for factor, words in known if 0.9 < ratio / factor < 1.1)
    hint = "are the labels those of these frames, in the order of coord?"
    if fitting:
        hint = f"it looks as if {' or '.join(fitting)}"
    return f"the energy changes by {ratio:.3g} times the work of the {label}; {hint}"
