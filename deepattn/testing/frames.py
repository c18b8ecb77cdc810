"""Configurations to check a model on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Frame:
    """Atoms at rest.

    Args:
        coord: Positions ``[natoms, 3]``, Å.
        atype: Types ``[natoms]``, indices into the model's ``type_map``.
        box: Cell vectors as rows ``[3, 3]``, Å; ``None`` means open boundaries.
        name: Name in reports.
    """

    coord: np.ndarray
    atype: np.ndarray
    box: np.ndarray | None = None
    name: str = "frame"

    @property
    def natoms(self) -> int:
        return len(self.atype)

    def moved(self, coord: np.ndarray, box: np.ndarray | None = None) -> Frame:
        """The same atoms at other positions, in another box if one is given."""
        return replace(self, coord=coord, box=self.box if box is None else box)

    def repeated(self, counts: Sequence[int]) -> Frame:
        """The supercell of ``counts`` boxes along each cell vector; image after image."""
        if self.box is None:
            raise ValueError(f"{self.name}: open boundaries, so there is no cell to repeat")
        shifts = np.indices(tuple(counts)).reshape(3, -1).T @ self.box
        return replace(
            self,
            coord=(self.coord[None] + shifts[:, None]).reshape(-1, 3),
            atype=np.tile(self.atype, len(shifts)),
            box=self.box * np.asarray(counts)[:, None],
        )


def random_frames(ntypes: int, rcut: float, *, closest: float = 1.1, seed: int = 0) -> list[Frame]:
    """A cubic, a triclinic, a smaller-than-cutoff and an open configuration of random atoms.

    No distance is within 0.05 Å of the cutoff: that region is tested by `check_continuity`.

    Args:
        ntypes: Number of types; each occurs as often as the others, in no order.
        rcut: Cutoff radius, Å; the small box has edges of about three quarters of it.
        closest: Least distance of two atoms, Å.
        seed: Of the random numbers.
    """
    rng = np.random.default_rng(seed)
    near = (closest, rcut)
    # Long enough for several atoms, short enough that most of them are neighbors.
    edge = max(1.6 * rcut, 4.0)
    skew = np.array([[1.0, 0.0, 0.0], [0.25, 0.95, 0.0], [-0.15, 0.1, 1.05]])
    small = max(0.75 * rcut, 2.2 * closest)
    return [
        _random_frame(rng, np.eye(3) * edge, 10, ntypes, near, "cubic"),
        _random_frame(rng, skew * edge, 9, ntypes, near, "triclinic"),
        _random_frame(rng, skew * small, 3, ntypes, near, "small box"),
        replace(_random_frame(rng, np.eye(3) * edge, 7, ntypes, near, "open"), box=None),
    ]


def _random_frame(
    rng: np.random.Generator,
    box: np.ndarray,
    natoms: int,
    ntypes: int,
    near: tuple[float, float],
    name: str,
) -> Frame:
    closest, rcut = near
    shifts = (np.indices((5, 5, 5)).reshape(3, -1).T - 2) @ box
    coord = np.empty((0, 3))
    while len(coord) < natoms:
        trial = rng.random(3) @ box
        away = np.linalg.norm(coord[:, None] - trial + shifts, axis=-1)
        if (away > closest).all() and (np.abs(away - rcut) > 0.05).all():
            coord = np.vstack([coord, trial])
    atype = rng.permutation(np.arange(natoms) % ntypes).astype(np.int32)
    return Frame(coord, atype, box, name)
