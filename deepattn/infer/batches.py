"""Frames cut into batches that one run of a model takes: atoms sorted, virtual ones left out."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from deepattn import limits
from deepattn.errors import DataError
from deepattn.infer.frames import Frames

_DEFAULT_ATOMS = 1024


@dataclass(frozen=True)
class Batch:
    """Some frames of one number of real atoms.

    Attributes:
        frames: Their numbers, ``[n]``.
        order: Which atom of the frame each atom of the batch is, ``[n, nreal]``.
        coord: ``[n, nreal, 3]``.
        box: ``[n, 9]`` or None.
        atype: int32 ``[n, nreal]``, rising in every frame, unless frames stay as they are.
        fparam: ``[n, numb_fparam]`` or None.
        aparam: ``[n, nreal, numb_aparam]`` or None.
        spin: Magnetic moments, ``[n, nreal, 3]`` or None.
    """

    frames: np.ndarray
    order: np.ndarray
    coord: np.ndarray
    box: np.ndarray | None
    atype: np.ndarray
    fparam: np.ndarray | None
    aparam: np.ndarray | None
    spin: np.ndarray | None = None

    @property
    def is_uniform(self) -> bool:
        """Whether all frames have the same atoms."""
        return bool((self.atype == self.atype[0]).all())

    def scatter(self, values: np.ndarray, out: np.ndarray) -> None:
        """Put values of the real atoms ``[n, nreal, …]`` where they belong in ``out``."""
        out[self.frames[:, None], self.order] = values

    def scatter_pairs(self, values: np.ndarray, out: np.ndarray) -> None:
        """Put a matrix over coordinates ``[n, 3 * nreal, 3 * nreal]`` where it belongs."""
        places = (3 * self.order[:, :, None] + np.arange(3)).reshape(len(self.order), -1)
        out[self.frames[:, None, None], places[:, :, None], places[:, None, :]] = values


def make_batches(
    frames: Frames, numb_atoms: int | None, *, uniform: bool, as_they_are: bool = False
) -> Iterator[Batch]:
    """Cut frames into batches.

    A virtual atom takes no part in anything, so it is left out rather than handed on.

    Args:
        frames: All frames.
        numb_atoms: Atoms in a batch at most, though never less than a frame; None for no limit.
        uniform: Whether all frames of a batch must have the same atoms.
        as_they_are: Whether frames keep the order of their atoms, and their virtual ones.
    """
    atype = frames.atype
    if not len(atype):
        return
    nreal = np.count_nonzero(atype >= 0, axis=1)
    order = np.argsort(np.where(atype < 0, np.iinfo(np.int32).max, atype), axis=1, kind="stable")
    if as_they_are:
        order = np.broadcast_to(np.arange(atype.shape[1]), atype.shape)
        nreal = np.where(nreal > 0, atype.shape[1], 0)
    keys = np.take_along_axis(atype, order, axis=1) if uniform else nreal[:, None]
    _, group_of = np.unique(keys, axis=0, return_inverse=True)
    group_of = group_of.reshape(-1)
    for group in range(group_of.max() + 1):
        members = np.flatnonzero(group_of == group)
        count = nreal[members[0]]
        if count == 0:
            continue
        step = len(members) if numb_atoms is None else max(1, numb_atoms // count)
        for first in range(0, len(members), step):
            chosen = members[first : first + step]
            yield _take(frames, chosen, order[chosen, :count])


def atoms_per_batch(auto_batch_size: bool | int) -> int | None:
    """Give the number of atoms in a batch that the argument of ``DeepPot`` asks for.

    Args:
        auto_batch_size: True for the environment variable ``DP_INFER_BATCH_SIZE`` (1024 by
            default), False for no limit, or the number itself.
    """
    if auto_batch_size is False:
        return None
    if auto_batch_size is not True:
        if auto_batch_size < 1:
            raise ValueError(f"auto_batch_size must be a bool or positive, not {auto_batch_size}")
        return int(auto_batch_size)
    text = os.environ.get("DP_INFER_BATCH_SIZE", str(_DEFAULT_ATOMS))
    number = limits.whole_number(text)
    if not number:
        raise DataError(f"the variable DP_INFER_BATCH_SIZE must be a positive number, not {text!r}")
    return number


def _take(frames: Frames, chosen: np.ndarray, order: np.ndarray) -> Batch:
    rows = chosen[:, None]
    return Batch(
        frames=chosen,
        order=order,
        coord=frames.coord[rows, order],
        box=None if frames.box is None else frames.box[chosen],
        atype=frames.atype[rows, order],
        fparam=None if frames.fparam is None else frames.fparam[chosen],
        aparam=None if frames.aparam is None else frames.aparam[rows, order],
        spin=None if frames.spin is None else frames.spin[rows, order],
    )
