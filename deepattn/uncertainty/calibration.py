"""From distances and predicted forces to expected errors, fitted to errors on held-out frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Part of the root mean square force below which forces count as equally small.
_FLOOR = 0.05
_SMALL_DISTANCE = 1e-3
# How strongly the factor of an element is held to 1: as if so many atoms had the average error.
_ELEMENT_ATOMS = 5.0
_STEPS, _LARGEST_STEP, _DONE = 100, 1.0, 1e-8


@dataclass(frozen=True)
class Calibration:
    r"""Expected root mean square error of the force on an atom.

    .. math:: \sigma_i = s_t\, d_i^{\,b}\, (|F_i| + F_0)^{c}, \qquad b, c \ge 0

    Attributes:
        scale: s, ``[ntypes]``.
        distance: b.
        force: c.
        floor: F₀, eV/Å.
    """

    scale: np.ndarray
    distance: float
    force: float
    floor: float

    def __call__(self, distance: np.ndarray, force: np.ndarray, atype: np.ndarray) -> np.ndarray:
        """Expected errors of atoms.

        Args:
            distance: ``[n]``.
            force: Predicted forces, eV/Å, ``[n, 3]``.
            atype: Types, ``[n]``.

        Returns:
            eV/Å, ``[n]``; infinite where the distance is.
        """
        far = np.maximum(distance, _SMALL_DISTANCE)
        strong = np.sqrt(np.einsum("nk,nk->n", force, force)) + self.floor
        with np.errstate(over="ignore"):
            expected = self.scale[atype] * far**self.distance * strong**self.force
        return np.where(np.isinf(distance), np.inf, expected)


def fit_calibration(
    error: np.ndarray, distance: np.ndarray, force: np.ndarray, atype: np.ndarray, ntypes: int
) -> Calibration:
    """Fit by maximum likelihood, the errors of the components being normally distributed.

    A power that would come out negative is set to zero: an expected error never falls with the
    distance. Atoms at infinite distance do not count.

    Args:
        error: Magnitudes of the errors of the forces, eV/Å, ``[n]``.
        distance: ``[n]``.
        force: Predicted forces, eV/Å, ``[n, 3]``.
        atype: Types, ``[n]``.
        ntypes: Number of types.
    """
    known = np.isfinite(distance)
    error, distance, force, atype = error[known], distance[known], force[known], atype[known]
    strength = np.linalg.norm(force, axis=1)
    floor = max(_FLOOR * float(np.sqrt(np.mean(strength**2))), np.finfo(np.float32).tiny)
    of_element = np.zeros((len(error), ntypes))
    of_element[np.arange(len(error)), atype] = 1.0
    powers = [np.log(np.maximum(distance, _SMALL_DISTANCE)), np.log(strength + floor)]
    held = np.array([0.0, 0.0, 0.0, *[_ELEMENT_ATOMS] * ntypes])
    used = [0, 1]
    while True:
        columns = [powers[k] if k in used else np.zeros(len(error)) for k in (0, 1)]
        matrix = np.column_stack([np.ones(len(error)), *columns, of_element])
        weights = _most_likely(matrix, error, held)
        negative = [k for k in used if weights[1 + k] < 0]
        if not negative:
            break
        used.remove(min(negative, key=lambda k: weights[1 + k]))
    return Calibration(
        scale=np.exp(weights[0] + weights[3:]),
        distance=float(weights[1]),
        force=float(weights[2]),
        floor=floor,
    )


def _most_likely(matrix: np.ndarray, error: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Weights w that minimize ``Σ 3 A w + e² exp(−2 A w) 3/2 + Σ held w²/2``, by Newton's method.

    ``exp(A w)`` is the root mean square of the error, so that of a component is less by √3.
    """
    square = np.maximum(error, np.finfo(np.float32).tiny) ** 2
    weights = np.zeros(matrix.shape[1])
    weights[0] = 0.5 * np.log(np.mean(square))
    # Columns of zeros, of powers and elements that are not there, need a diagonal.
    least = 1e-9 * len(error)
    for _ in range(_STEPS):
        ratio = square * np.exp(np.clip(-2 * matrix @ weights, -60, 60))
        gradient = 3 * matrix.T @ (1 - ratio) + held * weights
        curvature = (matrix.T * (6 * ratio + least / len(error))) @ matrix
        curvature[np.diag_indices_from(curvature)] += held + least
        step = np.linalg.solve(curvature, gradient)
        step *= min(1.0, _LARGEST_STEP / max(np.abs(matrix @ step).max(), _LARGEST_STEP))
        weights -= step
        if np.abs(step).max() < _DONE:
            break
    return weights
