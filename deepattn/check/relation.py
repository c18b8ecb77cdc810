"""Comparison of energies and virials with a model fitted to the forces."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from deepattn.check.pair_model import Fit
from deepattn.check.piece import converged, digits
from deepattn.check.sample import ENOUGH, Frame

# The uncertainty of the model is at least this fraction of its prediction.
_LEAST_OPEN = 0.1
_LEAST = 1e-3  # eV/atom, of virials
# Labels of frames are left out beyond so many times the usual deviation.
OUTLYING = 15.0


class Relation(NamedTuple):
    """Ratio of labels to the values expected from the forces.

    Attributes:
        correlation: Of the two, weighted by what is open.
        ratio: Label over expectation.
        times: Expectation over what is open of it.
        errors: The correlation in standard errors.
    """

    correlation: float
    ratio: float
    times: float
    errors: float


def of_energies(frames: list[Frame], known: np.ndarray, fit: Fit) -> Relation | None:
    """Compare energies per atom, up to a constant per composition or element."""
    if len(frames) < ENOUGH:
        return None
    natoms = np.array([len(frame.atoms) for frame in frames])
    labels = np.array([frame.energy for frame in frames]) / natoms
    usual = _usual(labels[:, None], _constants(frames))
    frames, natoms = [frames[k] for k in usual], natoms[usual]
    known, labels = known[usual], labels[usual]
    rows, constants = fit.energy[known] / natoms[:, None], _constants(frames)
    # The labels may be in another unit than that of what the forces let expect.
    if np.std(_without(constants, labels)) < np.median(digits(labels * natoms) / natoms):
        return None
    return _relate(labels, rows, constants, fit, float(np.median(converged(natoms) / natoms)))


# Of nine numbers: the trace, and the five that a shape of the cell goes with.
_COMPONENTS = np.array(
    [
        [1, 0, 0, 0, 1, 0, 0, 0, 1],
        [1, 0, 0, 0, -1, 0, 0, 0, 0],
        [0.5, 0, 0, 0, 0.5, 0, 0, 0, -1],
        [0, 1, 0, 1, 0, 0, 0, 0, 0],
        [0, 0, 1, 0, 0, 0, 1, 0, 0],
        [0, 0, 0, 0, 0, 1, 0, 1, 0],
    ],
    dtype=float,
)
_VIRIALS = 150


def of_virials(frames: list[Frame], known: np.ndarray, fit: Fit) -> Relation | None:
    """Compare virials per atom, up to the mean trace of a composition."""
    if len(frames) < ENOUGH:
        return None
    chosen = np.unique(np.linspace(0, len(frames) - 1, _VIRIALS).astype(int))
    frames, known = [frames[k] for k in chosen], known[chosen]
    natoms = np.array([len(frame.atoms) for frame in frames])
    labels = np.array([frame.virial.ravel() for frame in frames]) @ _COMPONENTS.T / natoms[:, None]
    usual = _usual(labels, _constants(frames))
    frames, natoms = [frames[k] for k in usual], natoms[usual]
    known, labels = known[usual], labels[usual]
    rows = np.einsum("cx,nxp->ncp", _COMPONENTS, fit.virial[known]) / natoms[:, None, None]
    constants = _constants(frames)
    spread = np.zeros((*labels.shape, constants.shape[1]))
    spread[:, 0] = constants
    size = labels.size
    return _relate(labels.ravel(), rows.reshape(size, -1), spread.reshape(size, -1), fit, _LEAST)


def _usual(labels: np.ndarray, constants: np.ndarray) -> np.ndarray:
    """Frames whose labels ``[n, m]`` are not far from all others.

    A few wrong ones are reported elsewhere, and must not affect the result of the others.
    """
    rows = np.arange(len(labels))
    for _ in range(len(labels) // 10):
        away = np.linalg.norm(_without(constants[rows], labels[rows]), axis=1)
        if away.max() <= OUTLYING * np.median(away):
            break
        rows = np.delete(rows, away.argmax())
    return rows


def _constants(frames: list[Frame]) -> np.ndarray:
    """Columns that labels may differ by: a constant of each composition, or of each element."""
    numbers = np.unique(np.concatenate([frame.atoms.numbers for frame in frames]))
    parts = [[np.mean(frame.atoms.numbers == k) for k in numbers] for frame in frames]
    distinct, which = np.unique(np.round(parts, 6), axis=0, return_inverse=True)
    which = which.reshape(-1)
    if len(distinct) * 3 > len(frames):
        return np.array(parts)
    return np.eye(len(distinct))[which]


def _relate(
    labels: np.ndarray, rows: np.ndarray, constants: np.ndarray, fit: Fit, least: float
) -> Relation | None:
    """Compare labels with a model's, each difference weighted by how well the model knows it.

    Expectations that differ by less than ``least`` are alike.
    """
    expected = rows @ fit.coefficients
    unknown = rows @ fit.covariance @ rows.T
    without = _without(constants, expected)
    size = float(np.mean(without**2))
    if size < least**2 or not np.any(_without(constants, labels)):
        return None
    unknown = unknown + _LEAST_OPEN**2 * size * np.eye(len(labels))
    lower = np.linalg.cholesky(unknown)
    labels, expected, constants = (
        np.linalg.solve(lower, values) for values in (labels, expected, constants)
    )
    labels, expected = _without(constants, labels), _without(constants, expected)
    free = len(labels) - int(np.linalg.matrix_rank(constants))
    squares, product = (labels @ labels, expected @ expected), float(labels @ expected)
    if free < ENOUGH - 3 or min(squares) == 0:
        return None
    correlation = product / float(np.sqrt(squares[0] * squares[1]))
    return Relation(
        correlation=correlation,
        errors=abs(float(np.arctanh(np.clip(correlation, -0.9999, 0.9999)))) * np.sqrt(free - 2),
        ratio=float(np.sign(product) * np.sqrt(squares[0] / squares[1])),
        times=float(np.sqrt(squares[1] / free)),
    )


def _without(constants: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Residual of values after a regression on constants."""
    vectors, sizes, _ = np.linalg.svd(constants, full_matrices=False)
    vectors = vectors[:, sizes > 1e-8 * sizes[0]]
    return values - vectors @ (vectors.T @ values)
