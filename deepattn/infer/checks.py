"""Warnings and errors for frames outside a model's limits: too many neighbors, overlaps, NaN."""

import logging

import numpy as np
import tensorflow as tf

from deepattn import ops
from deepattn.errors import DataError
from deepattn.infer.batches import Batch

_CLOSE = 0.3  # Å; the shortest bond there is, of hydrogen, is more than twice as long

log = logging.getLogger(__name__)


class NeighborCheck:
    """Atoms with more neighbors than a model has slots for, collected over an evaluation.

    Counting needs the compiled op library; without it nothing is counted, as it would take
    longer than the evaluation.

    Args:
        rcut: Cutoff radius in Å.
        sel: Slots: one number, or one for each type.
        type_map: Names of the types.
    """

    def __init__(self, rcut: float, sel: list[int], type_map: list[str]):
        self.rcut = rcut
        self.sel = sel
        self.type_map = type_map
        self._atoms = 0
        self._most = 0  # neighbors beyond sel
        self._first = ""

    def add(self, batch: Batch) -> None:
        """Count the neighbors of the atoms of a batch."""
        if not self.sel or not ops.library():
            return
        _, count = neighbor_statistics(batch, self.rcut, len(self.type_map))
        if len(self.sel) == 1:
            count = count.sum(axis=2, keepdims=True)
        excess = count - np.array(self.sel)
        worst = excess.max(axis=2)
        over = worst > 0
        if not over.any():
            return
        self._atoms += np.count_nonzero(over)
        self._most = max(self._most, int(worst.max()))
        if not self._first:
            frame = int(over.any(axis=1).argmax())
            atom = np.where(over[frame], batch.order[frame], np.iinfo(np.int64).max).argmin()
            kind = int(excess[frame, atom].argmax())
            name = "" if len(self.sel) == 1 else f" of type {self.type_map[kind]}"
            self._first = (
                f"atom {batch.order[frame, atom]} of frame {batch.frames[frame]} has "
                f"{count[frame, atom, kind]} neighbors{name} within {self.rcut:g} Å, but the "
                f"model takes {self.sel[kind]} (sel) and leaves out the farthest"
            )

    def report(self, *, reported: int) -> int:
        """Log a warning unless earlier ones were of atoms with as many neighbors beyond ``sel``.

        Args:
            reported: their number in earlier warnings, 0 without any.

        Returns:
            The number for the next evaluation.
        """
        if self._most <= reported:
            return reported
        log.warning(
            "%s; %d atoms in all are affected. The energy jumps when neighbors at that distance "
            "change places: train or distill a model with a larger sel (deepattn neighbor-stat "
            "counts neighbors). This is said again only if an atom has more.",
            self._first,
            self._atoms,
        )
        return self._most


def check_finite(name: str, values: np.ndarray, batch: Batch) -> None:
    """Raise if a result is not finite, naming the closest atoms of the frame.

    Raises:
        DataError: If any value is infinite or not a number.
    """
    finite = np.isfinite(values)
    if finite.all():
        return
    frame = int(np.argwhere(~finite)[0][0])
    hint = overlap(batch) or "; the weights of the model may be damaged"
    raise DataError(f"frame {batch.frames[frame]}: the predicted {name} is not finite{hint}")


def overlap(batch: Batch) -> str:
    """Say which atom is closest to another one, if it is closer than any two atoms ever are."""
    square, _ = neighbor_statistics(batch, rcut=_CLOSE, ntypes=int(batch.atype.max()) + 1)
    frame, atom = np.unravel_index(square.argmin(), square.shape)
    distance = np.sqrt(square[frame, atom])
    if not distance < _CLOSE:
        return ""
    where = f"atom {batch.order[frame, atom]} of frame {batch.frames[frame]}"
    return f"; {where} is {distance:.3g} Å from another atom"


def without_moment(batch: Batch) -> str:
    """Say that atoms have no moment, which those of magnetic types need."""
    if batch.spin is None or batch.spin.any(axis=2).all():
        return ""
    return "; atoms of magnetic types need a magnetic moment (spin) other than zero"


def neighbor_statistics(batch: Batch, rcut: float, ntypes: int) -> tuple[np.ndarray, np.ndarray]:
    """Give for each atom the square of its shortest distance and its neighbors of each type.

    Raises:
        DataError: If no neighbors can be searched in a frame, which is named.
    """
    nframes = len(batch.atype)
    box = np.zeros((nframes, 9)) if batch.box is None else batch.box
    arrays = batch.coord, batch.atype, box
    try:
        square, count = ops.neighbor_stat(*arrays, rcut=rcut, ntypes=ntypes)
    except tf.errors.InvalidArgumentError as error:
        row = ops.first_unsearchable(*arrays, rcut=rcut, ntypes=ntypes)
        if row is None:
            raise DataError(f"no neighbors can be searched: {error.message}") from None
        raise DataError(
            f"frame {batch.frames[row]}: no neighbors can be searched within {rcut:g} Å; the cell "
            f"{box[row].tolist()} is too thin, or an atom is too far outside; are the lengths in Å?"
        ) from None
    return square.numpy(), count.numpy()
