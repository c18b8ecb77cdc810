"""Neighbor statistics of data: shortest distances and numbers of neighbors."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from deepattn import ops
from deepattn.data import DataSet, System
from deepattn.data.system import Arrays
from deepattn.data.type_map import union
from deepattn.errors import DataError
from deepattn.progress import tracked

log = logging.getLogger(__name__)

# Å. Atoms nearer than this are one atom written twice.
_OVERLAP = 1e-6
# Å. Reported when no two atoms are within the cutoff.
_FAR = 10.0
# Atoms read at a time (a few MB).
_ATOMS_AT_ONCE = 1 << 15
_SYSTEMS_MEASURED = 10


@dataclass(frozen=True)
class NeighborStat:
    """Statistics over all frames.

    Attributes:
        min_nbor_dist: Smallest distance of two atoms (Å).
        max_nbor_size: Largest number of neighbors within the cutoff: of each type, or, with
            ``mixed_types``, one number for all types together.
    """

    min_nbor_dist: float
    max_nbor_size: list[int]


class Cutoff(NamedTuple):
    """Neighbors that are to be counted.

    Attributes:
        rcut: Cutoff radius (Å).
        mixed_types: Whether neighbors of all types are counted together.
        sel: Slots for them: per type, or one number with ``mixed_types``. None if that is yet to
            be chosen.
    """

    rcut: float
    mixed_types: bool
    sel: Sequence[int] | None = None


def count_neighbors(
    paths: Sequence[str],
    *,
    rcut: float,
    type_map: Sequence[str] | None = None,
    mixed_types: bool = False,
) -> NeighborStat:
    """Count the neighbors in systems, before there is a model.

    Args:
        paths: The systems; labels are not needed.
        rcut: Cutoff radius (Å).
        type_map: Names of the types; by default those of the data, as they are met.
        mixed_types: Whether neighbors of all types are counted together.

    Raises:
        DataError: As for :func:`neighbor_statistics`.
    """
    systems = [System(path, labeled=False) for path in paths]
    type_map = type_map or union([system.data_type_map for system in systems])
    if type_map:
        systems = [System(path, type_map=type_map, labeled=False) for path in paths]
    ntypes = len(type_map) or max(system.ntypes for system in systems)
    return neighbor_statistics(systems, rcut=rcut, ntypes=ntypes, mixed_types=mixed_types)


def neighbor_statistics(
    systems: Sequence[System],
    *,
    rcut: float,
    ntypes: int,
    mixed_types: bool,
    sel: Sequence[int] | None = None,
) -> NeighborStat:
    """Scan every frame of every system, periodic images included, virtual atoms left out.

    Neighbors beyond ``sel``, which a model would drop, are counted, and each system that has
    such is reported with the first frame and atom.

    Args:
        systems: The systems.
        rcut: Cutoff radius (Å).
        ntypes: Number of types of the model.
        mixed_types: Whether neighbors of all types share their slots (DPA-1).
        sel: Slots for neighbors: per type, or one number with ``mixed_types``. None if it is
            yet to be chosen.

    Raises:
        DataError: If two atoms of a frame are at the same place.
    """
    pieces = [(system, frames) for system in systems for frames in system.pieces(_ATOMS_AT_ONCE)]
    read = (
        (system, frames, system.frames(frames, labels=())[0])
        for system, frames in tracked(pieces, "neighbor statistics")
    )
    (found,) = _scan(systems, read, [Cutoff(rcut, mixed_types, sel)], ntypes=ntypes)
    return found


def data_set_statistics(
    data: DataSet, cutoffs: Sequence[Cutoff], *, ntypes: int
) -> list[NeighborStat]:
    """Read every frame of a data set once, check it, and count its neighbors within some cutoffs.

    Args:
        data: The data set.
        cutoffs: The cutoffs; the first is the largest. Without any, frames are only checked.
        ntypes: As in :func:`neighbor_statistics`.

    Returns:
        The statistics of each cutoff.

    Raises:
        DataError: A number in the data is not finite, or two atoms are at the same place.
    """
    read = (
        (system, frames, batch.inputs)
        for system, frames, batch in data.read_all(_ATOMS_AT_ONCE, "neighbor statistics")
    )
    return _scan(data.systems, read, cutoffs, ntypes=ntypes)


def _scan(
    systems: Sequence[System],
    read: Iterable[tuple[System, np.ndarray, Arrays]],
    cutoffs: Sequence[Cutoff],
    *,
    ntypes: int,
) -> list[NeighborStat]:
    """The statistics of some cutoffs over frames that are read once.

    Args:
        systems: All systems.
        read: Their frames: system, numbers of the frames, inputs.
        cutoffs: See :func:`data_set_statistics`.
        ntypes: See :func:`data_set_statistics`.
    """
    counts = [_Count(systems, cutoff, ntypes) for cutoff in cutoffs]
    for system, frames, inputs in read:
        real = inputs["atype"] >= 0
        for one in counts:
            distance2, count = _search(system, frames, inputs, rcut=one.rcut, ntypes=ntypes)
            if one is counts[0]:
                _refuse_overlap(system, frames, inputs, distance2)
            if one.mixed_types:
                count = count.sum(axis=2, keepdims=True)
            one.add(system, frames, real, distance2, count)
    for one in counts:
        one.report()
    found = [one.result() for one in counts]
    if not found:
        return found
    log.info(
        "Neighbor statistics: training data with minimal neighbor distance: %f",
        found[0].min_nbor_dist,
    )
    for cutoff, result in zip(cutoffs, found, strict=True):
        log.info(
            "Neighbor statistics: training data with maximum neighbor size: %s (cutoff radius: %f)",
            result.max_nbor_size,
            cutoff.rcut,
        )
    return found


def shortest_distance(systems: Sequence[System], rcut: float, *, ntypes: int) -> float | None:
    """The shortest distance (Å) in the first frames, however long; None if atoms stand alone.

    Args:
        systems: Systems in which no atom has a neighbor within ``rcut``.
        rcut: Cutoff radius (Å).
        ntypes: Number of types of the model.
    """
    shortest = np.inf
    for system in systems[:_SYSTEMS_MEASURED]:
        inputs, _ = system.frames([0], labels=())
        size = np.ptp(inputs["coord"], axis=(0, 1)).sum() + np.abs(inputs["box"]).sum()
        radius, found = rcut, np.inf
        # No more atoms are searched than twice the distance to the nearest needs.
        while not np.isfinite(found) and radius < size:
            radius = min(2 * radius, size)
            distance2, _ = _search(system, np.zeros(1, int), inputs, rcut=radius, ntypes=ntypes)
            found = float(np.sqrt(distance2.min()))
        shortest = min(shortest, found)
    return shortest if np.isfinite(shortest) else None


class _Count:
    """The neighbors within one cutoff in all systems."""

    def __init__(self, systems: Sequence[System], cutoff: Cutoff, ntypes: int) -> None:
        self.rcut = cutoff.rcut
        self.mixed_types = cutoff.mixed_types
        self._nearest2 = np.inf
        self._largest = np.zeros(1 if cutoff.mixed_types else ntypes, np.int64)
        self._systems = {id(system): _SystemCount(system, cutoff.sel) for system in systems}

    def add(
        self,
        system: System,
        frames: np.ndarray,
        real: np.ndarray,
        distance2: np.ndarray,
        count: np.ndarray,
    ) -> None:
        """Add frames: ``real``, ``distance2 [n, natoms]``, ``count [n, natoms, nsel]``."""
        self._nearest2 = min(self._nearest2, float(distance2.min()))
        self._largest = np.maximum(self._largest, count.max(axis=(0, 1)))
        self._systems[id(system)].add(frames, real, count)

    def report(self) -> None:
        """Log the warnings."""
        for system in self._systems.values():
            system.report(self.rcut)
        if not self._largest.any():
            log.warning("no atom has a neighbor within %g Å; are the lengths in Å?", self.rcut)

    def result(self) -> NeighborStat:
        """The statistics of all added frames."""
        return NeighborStat(min(float(np.sqrt(self._nearest2)), _FAR), self._largest.tolist())


class _SystemCount:
    """Atoms of one system with too many neighbors or none."""

    def __init__(self, system: System, sel: Sequence[int] | None) -> None:
        self.system = system
        self.sel = sel
        self.beyond = 0
        self.alone = 0
        self.first: tuple[int, int, int, int] | None = None

    def add(self, frames: np.ndarray, real: np.ndarray, count: np.ndarray) -> None:
        """Add frames: ``real [n, natoms]``, ``count [n, natoms, nsel]``."""
        self.alone += int((real & (count.sum(axis=2) == 0)).any(axis=1).sum())
        if self.sel is None:
            return
        excess = count > np.asarray(self.sel)
        self.beyond += int(excess.any(axis=2).sum())
        if self.first is None and excess.any():
            frame, atom, slot = np.argwhere(excess)[0]
            self.first = (int(frames[frame]), int(atom), int(slot), int(count[frame, atom, slot]))

    def report(self, rcut: float) -> None:
        """Log the warnings."""
        if self.alone:
            log.warning(
                "%s: %d frames have an atom without a neighbor within %g Å",
                self.system.path,
                self.alone,
                rcut,
            )
        if self.first is not None and self.sel is not None:
            frame, atom, slot, count = self.first
            log.warning(
                "sel[%d] = %d is too small: %s has %d atoms with more neighbors within %g Å "
                "(first: frame %d, atom %d with %d); the farthest are dropped",
                slot,
                self.sel[slot],
                self.system.path,
                self.beyond,
                rcut,
                frame,
                atom,
                count,
            )


def _search(
    system: System,
    frames: np.ndarray,
    inputs: dict[str, np.ndarray],
    *,
    rcut: float,
    ntypes: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Squared distance of the nearest neighbor (infinite without) and counts by type."""
    arrays = [inputs[name] for name in ("coord", "atype", "box")]
    try:
        distance2, count = ops.neighbor_stat(*arrays, rcut=rcut, ntypes=ntypes)
    except tf.errors.InvalidArgumentError as error:
        row = ops.first_unsearchable(*arrays, rcut=rcut, ntypes=ntypes)
        if row is None:
            raise DataError(f"{system.path}: the neighbor search failed: {error.message}") from None
        raise DataError(
            f"{system.path}: in frame {frames[row]} neighbors within {rcut:g} Å cannot be "
            f"searched; the box {inputs['box'][row].tolist()} is too thin, or an atom is too "
            "far outside"
        ) from None
    return distance2.numpy(), count.numpy()


def _refuse_overlap(
    system: System, frames: np.ndarray, inputs: dict[str, np.ndarray], distance2: np.ndarray
) -> None:
    if not distance2.min() < _OVERLAP**2:
        return
    row, atom = np.unravel_index(int(np.argmin(distance2)), distance2.shape)
    other = _nearest(inputs["coord"][row], inputs["atype"][row], inputs["box"][row], int(atom))
    raise DataError(
        f"Some atoms are overlapping in {system.path}: frame {frames[row]}, atoms "
        f"{min(atom, other)} and {max(atom, other)} are at the same position; remove the "
        "frame"
    )


def _nearest(coord: np.ndarray, atype: np.ndarray, box: np.ndarray, atom: int) -> int:
    """The atom on top of ``atom``; rounding finds the image, as the distance is next to zero."""
    apart = coord - coord[atom]
    if box.any():
        cell = box.reshape(3, 3)
        fraction = np.linalg.solve(cell.T, apart.T).T
        apart = (fraction - np.round(fraction)) @ cell
    distance = np.where(atype >= 0, np.linalg.norm(apart, axis=1), np.inf)
    distance[atom] = np.inf
    return int(np.argmin(distance))
