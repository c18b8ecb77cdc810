"""Whether forces and virials are the derivatives of the energies."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from deepattn.check.factors import HINTS, explain
from deepattn.check.finding import FAULT, Finding
from deepattn.check.piece import Piece, rounding

# Frames are near where no atom has moved farther (Å) and no strain is larger; nearer than the
# smallest part of that they are one frame.
_MOVED = 0.3
_STRAINED = 0.03
_SMALLEST = 1e-3
# A cell that is strained by less stays as it is.
_STILL = 1e-6
_COMPARED = 64
_ENOUGH = 5
# The work is of use where it is more than this part of what forces and virial change by on the
# way, times the way; where the way ends at rest it is the whole.
_OF_CHANGE = 0.5
# Bounds of the ratio of energy and work, which should be one; basis sets that do not follow the
# cell (Pulay stress) take it to 0.7 where cells relax. It must be known to a third of its error.
_RIGHT = (0.6, 1.6)
_STANDARD_ERRORS = 3.0
# Where both works are correlated, neither can be determined alone; singular values of
# works of unit length, as parts of the largest.
_TOGETHER = 0.2
# So many times what is open may be unexplained, and in so many of the pairs; of right labels three
# in a hundred at most.
_UNEXPLAINED = 3.0
_OFTEN = 0.1
_ROUNDS = 30

# Of each pair of frames: change of the energy, work of the forces, work of the virial, what is
# not known of them (all eV), number of atoms, volume (Å³), number of the second frame.
_Pairs = np.ndarray


class Work:
    """Test between similar frames whether the change of the energy is the work of forces and
    virial.

    The work is −F̄·u − Ξ̄:ε with means over both frames, u the displacements in the mean cell, ε
    the strain; it is exact to second order in them. Trajectories and strained or relaxing
    cells have near frames, of which each is compared with the nearest of the 64 about it; where a
    system has none, there is no result. A virial of zeros counts as missing.

    Attributes:
        accused: Systems of which something was found, after the report.
    """

    def __init__(self) -> None:
        self._systems: dict[str, list[_Pairs]] = {}
        self.accused: set[str] = set()

    def tested(self, path: str) -> list[str]:
        """Which of ``force`` and ``virial`` a system has been tested for."""
        return (
            _reliable_labels(np.concatenate(self._systems[path])) if path in self._systems else []
        )

    def add(self, piece: Piece) -> None:
        """Process some frames."""
        if piece.has_parameters:
            return
        known = np.isfinite(piece.energy) & np.isfinite(piece.force[:, 0, 0])
        for rows in piece.by_types():
            rows = rows[known[rows]]
            bounds = [*range(0, len(rows), _COMPARED), len(rows)]
            for first, last in pairwise(bounds):
                pairs = list(_near_pairs(piece, rows[first:last]))
                if pairs:
                    self._systems.setdefault(piece.path, []).append(np.array(pairs))

    def report(self) -> Iterator[Finding]:
        """The findings."""
        for path, parts in self._systems.items():
            pairs = np.concatenate(parts)
            if len(pairs) >= _ENOUGH and (judged := _judge(pairs)):
                sentence, frames = judged
                self.accused.add(path)
                message = f"in {len(pairs)} pairs of similar frames {sentence}"
                yield Finding(FAULT, "units", path, message, frames)


def _near_pairs(piece: Piece, rows: np.ndarray) -> Iterator[tuple[float, ...]]:
    """Pairs of each frame and the most similar one, if similar enough; every pair once."""
    if len(rows) < 2:
        return
    real = piece.real[rows[0]]
    natoms = int(real.sum())
    coord, force, energy = (
        piece.coord[rows][:, real],
        piece.force[rows][:, real],
        piece.energy[rows],
    )
    box, virial = piece.box[rows].reshape(-1, 3, 3), piece.virial[rows].reshape(-1, 3, 3)
    virial = np.where(virial.any(axis=(1, 2), keepdims=True), virial, np.nan)
    volume = np.abs(np.linalg.det(box))
    unknown = rounding(energy, natoms)
    place = coord
    if piece.periodic:
        place = np.linalg.solve(box.transpose(0, 2, 1), coord.transpose(0, 2, 1)).transpose(0, 2, 1)
    done = set()
    for one in range(len(rows)):
        moved, strain = _path(place, box, one)
        far = np.maximum(
            np.abs(moved).max(axis=(1, 2)) / _MOVED, np.abs(strain).max(axis=(1, 2)) / _STRAINED
        )
        far[far < _SMALLEST] = np.inf
        other = int(np.argmin(far))
        pair = (min(one, other), max(one, other))
        if far[other] > 1 or pair in done:
            continue
        done.add(pair)
        u, stretch = moved[other], strain[other]
        mean, change = virial[one] + virial[other], virial[other] - virial[one]
        still = np.abs(stretch) < _STILL
        by_virial, left = np.where(still, 0.0, [mean * stretch, change * stretch]).sum((1, 2))
        if np.isfinite(by_virial):
            by_force = np.sum((force[one] + force[other]) * u)
            on_the_way = (abs(np.sum((force[other] - force[one]) * u)) + abs(left)) / 2
            yield (
                energy[other] - energy[one],
                -by_force / 2,
                -by_virial / 2,
                _OF_CHANGE * on_the_way + unknown[one],
                natoms,
                volume[one],
                piece.frames[rows[other]],
            )


def _path(place: np.ndarray, box: np.ndarray, one: int) -> tuple[np.ndarray, np.ndarray]:
    """Displacements ``[n, natoms, 3]`` (Å) and strains ``[n, 3, 3]`` from one frame to all.

    Args:
        place: Coordinates in the cell, or in Å in open boundaries.
        box: Cells ``[n, 3, 3]``, Å.
        one: The frame to start from.
    """
    step = place - place[one]
    if not box.any():
        return step, np.zeros((len(place), 3, 3))
    mean = (box + box[one]) / 2
    return (step - np.round(step)) @ mean, np.linalg.solve(mean, box - box[one])


def _reliable_labels(pairs: _Pairs) -> list[str]:
    """The labels whose work is large enough to be compared."""
    works = {"force": pairs[:, 1] / pairs[:, 3], "virial": pairs[:, 2] / pairs[:, 3]}
    return [label for label in works if np.sum(np.abs(works[label]) > 1) >= _ENOUGH]


def _judge(pairs: _Pairs) -> tuple[str, tuple[int, ...]] | None:
    """Finding about the energies, forces or virials of a system, with its frames."""
    energy, force, virial, open_, natoms, volume, frames = pairs.T
    works = {"force": force / open_, "virial": virial / open_}
    reliable = _reliable_labels(pairs)
    rest = (energy - force - virial) / open_
    away, error = _fit(np.reshape([works[label] for label in reliable], (-1, len(pairs))), rest)
    wrong = {}
    for label, ratio, known in zip(reliable, 1 + away, _STANDARD_ERRORS * error, strict=True):
        if ratio + known < _RIGHT[0] or ratio - known > _RIGHT[1]:
            wrong[label] = ratio
    if wrong:
        counts = set(natoms.astype(int).tolist())
        explained = [_explain(*item, counts, float(np.median(volume))) for item in wrong.items()]
        return "; ".join(explained), ()
    odd = np.abs(rest) > _UNEXPLAINED
    if np.mean(odd) <= _OFTEN:
        return None
    found = tuple(sorted(set(frames[odd].astype(int).tolist())))
    if "virial" not in reliable and np.any(virial[odd]):
        ratio = float(np.median((energy - force)[odd] / virial[odd]))
        return _explain("virial", ratio, set(), float(np.median(volume))), found
    return f"the change of the energy is not the work of the forces; {HINTS['force']}", found


def _fit(works: np.ndarray, rest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far from one the factors of the works are, and their standard errors.

    Cauchy's weights; a factor that the works do not determine stays at one.
    """
    weights = np.ones(len(rest))
    length = np.linalg.norm(works, axis=1)
    columns = (works / length[:, None]).T
    factors = np.zeros(len(works))
    for _ in range(_ROUNDS if len(works) else 0):
        root = np.sqrt(weights)[:, None]
        inverse = np.linalg.pinv(root * columns, rcond=_TOGETHER)
        factors = inverse @ (root[:, 0] * rest)
        left = rest - columns @ factors
        scale = 2.0 * max(float(np.median(np.abs(left))), 1e-3)
        weights = 1.0 / (1.0 + (left / scale) ** 2)
    if not len(works):
        return factors, factors
    spread = np.sqrt(np.sum(weights * left**2) / max(np.sum(weights) - len(works), 1.0))
    return factors / length, spread * np.linalg.norm(inverse, axis=1) / length


def _explain(label: str, ratio: float, natoms: set[int], volume: float) -> str:
    """A ratio that is not one, with the mistakes that lead to it."""
    # Bonds decide which of the two it is.
    blamed = "energy or the force" if label == "force" else label
    looks = explain(label, ratio, natoms=natoms, volume=volume, blamed=blamed)
    return f"the energy changes by {ratio:.3g} times the work of the {label}; {looks}"
