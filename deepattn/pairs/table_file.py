"""Files of tabulated energies of pairs, and the cubic polynomials through them."""

from __future__ import annotations

import logging
import math
import os
from typing import NamedTuple

import numpy as np

from deepattn import limits
from deepattn.errors import DataError

log = logging.getLogger(__name__)

# Digits of distances that text has kept at least, relative to their step.
_UNEVEN = 1e-3


class Table(NamedTuple):
    """Energies of pairs as cubic polynomials, in the form of DeePMD-kit's graphs.

    Attributes:
        info: First distance and step, Å, number of intervals and of types.
        data: For each type of center, of neighbor and each interval the coefficients of u³, u², u
            and 1, eV, with u from 0 to 1 in the interval: ``[ntypes² · intervals · 4]``.
    """

    info: np.ndarray
    data: np.ndarray


def read_table(path: str | os.PathLike, *, rcut: float, ntypes: int) -> Table:
    """Read a table and extend it to a cutoff, as DeePMD-kit does.

    The first column of the file has distances in even steps, Å; the others the energies of the
    pairs 0-0, 0-1, …, 1-1, …, eV. Where all of them end with zero, zeros follow. Others go to zero
    as a cubic polynomial whose slope at the end is the last difference of energies for a step of 1
    Å, which is DeePMD-kit's rule.

    Args:
        path: The file, text.
        rcut: Cutoff radius, Å.
        ntypes: Number of types of the model.

    Raises:
        DataError: The file is missing, or is no table for as many types.
    """
    from scipy.interpolate import CubicSpline  # half a second, and few models have tables

    rows = _rows(path, ntypes)
    rows = _extended(rows, rcut, path)
    distances, step = rows[:, 0], rows[1, 0] - rows[0, 0]
    intervals = len(rows) - 1
    data = np.zeros((ntypes, ntypes, intervals, 4))
    pairs = [(first, second) for first in range(ntypes) for second in range(first, ntypes)]
    for (first, second), energies in zip(pairs, rows[:, 1:].T, strict=True):
        slopes = step * CubicSpline(distances, energies, bc_type="clamped")(distances, 1)
        rise = energies[1:] - energies[:-1]
        data[first, second] = data[second, first] = np.stack(
            [
                slopes[:-1] + slopes[1:] - 2 * rise,
                3 * rise - 2 * slopes[:-1] - slopes[1:],
                slopes[:-1],
                energies[:-1],
            ],
            axis=1,
        )
    return Table(np.array([distances[0], step, intervals, ntypes]), data.ravel())


def _rows(path: str | os.PathLike, ntypes: int) -> np.ndarray:
    """The numbers in a file, checked."""
    try:
        if os.path.getsize(path) > limits.TABLE_BYTES:
            raise DataError(
                f"{path} is larger than {limits.TABLE_BYTES >> 20} MB, so it is no table of pairs"
            )
        rows = np.loadtxt(path, dtype=np.float64, ndmin=2)
    except OSError as error:
        raise DataError(f"the table {path} cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise DataError(f"the table {path} does not consist of rows of numbers: {error}") from None
    columns = 1 + ntypes * (ntypes + 1) // 2
    if rows.shape[1] != columns:
        raise DataError(
            f"the table {path} has {rows.shape[1]} columns; a model of {ntypes} types needs "
            f"{columns}: the distance, and one for each pair of types"
        )
    if len(rows) < 2 or not np.isfinite(rows).all():
        raise DataError(f"the table {path} must have two rows at least, of finite numbers")
    steps = np.diff(rows[:, 0])
    if not steps[0] > 0 or np.abs(steps - steps[0]).max() > _UNEVEN * steps[0]:
        raise DataError(f"the distances of the table {path} do not grow in even steps")
    if rows[0, 0] < 0:
        raise DataError(f"the table {path} begins at the negative distance {rows[0, 0]} Å")
    return rows


def _extended(rows: np.ndarray, rcut: float, path: str | os.PathLike) -> np.ndarray:
    """The rows with further ones up to the first distance that is not below the cutoff."""
    from scipy.interpolate import CubicSpline

    first, last, step = rows[0, 0], rows[-1, 0], rows[1, 0] - rows[0, 0]
    place = math.ceil(rcut / step - first / step)
    ends_with_zero = not rows[-1, 1:].any()
    if rcut <= last:
        if not ends_with_zero or (rcut < last and rows[place - 1, 1:].any()):
            log.warning("the energies of the table %s do not vanish at rcut (%g Å)", path, rcut)
        return rows
    count = place - (len(rows) - 1)
    if count * rows.shape[1] > limits.TABLE_BYTES // 8:
        raise DataError(
            f"the table {path} has steps of {step:g} Å, which are too many up to rcut ({rcut:g} Å)"
        )
    further = np.zeros((count, rows.shape[1]))
    further[:, 0] = np.linspace(last + step, last + step * count, count)
    if ends_with_zero:
        return np.concatenate([rows, further])
    log.warning(
        "the table %s ends at %g Å with energies that are not zero; up to rcut (%g Å) they are "
        "extrapolated to zero",
        path,
        last,
        rcut,
    )
    # At the last distance below the cutoff they are zero, if there is one.
    at_zero = -2 if further[-1, 0] / step - last / step >= 2 else -1
    ends = np.stack([rows[-1], further[at_zero]])
    slope = rows[-1, 1:] - rows[-2, 1:]
    spline = CubicSpline(ends[:, 0], ends[:, 1:], bc_type=((1, slope), (1, np.zeros_like(slope))))
    further[:, 1:] = spline(further[:, 0])
    return np.concatenate([rows, further if at_zero == -1 else further[:-1]])
