"""The uncertainty of a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deepattn.uncertainty.calibration import Calibration
from deepattn.uncertainty.distance import Distance


@dataclass(frozen=True)
class Uncertainty:
    """Distances from the training data of a model, and what they mean for the forces.

    Attributes:
        model: SHA-256 of the model file that it belongs to.
        head: Branch of a multi-task model that it belongs to, or None.
        type_map: The model's type map.
        distance: Distance of an atom from the training data.
        calibration: Expected errors.
        record: How it was made, JSON-able: numbers of atoms, quality on the held-out frames.
    """

    model: str
    head: str | None
    type_map: tuple[str, ...]
    distance: Distance
    calibration: Calibration
    record: dict[str, Any] = field(default_factory=dict)

    def distances(self, descriptor: np.ndarray, atype: np.ndarray) -> np.ndarray:
        """Distances from the training data.

        Args:
            descriptor: ``[nframes, natoms, width]``.
            atype: Types, ``[nframes, natoms]``; −1 is a virtual atom, whose result is zero.

        Returns:
            ``[nframes, natoms]``.
        """
        return _of_real_atoms(self.distance, atype, descriptor)

    def errors(self, distance: np.ndarray, force: np.ndarray, atype: np.ndarray) -> np.ndarray:
        """Expected errors of forces.

        Args:
            distance: As from `distances`.
            force: eV/Å, ``[nframes, natoms, 3]``.
            atype: As of `distances`.

        Returns:
            Expected root mean square error of the force, eV/Å, ``[nframes, natoms]``.
        """
        return _of_real_atoms(self.calibration, atype, distance, force)


def _of_real_atoms(
    function: Callable[..., np.ndarray], atype: np.ndarray, *arrays: np.ndarray
) -> np.ndarray:
    """Results of a function of rows of arrays and of types; zero for virtual atoms."""
    kinds = atype.ravel()
    rows = [array.reshape(kinds.size, *array.shape[2:]) for array in arrays]
    real = kinds >= 0
    if real.all():  # without a copy
        return function(*rows, kinds).reshape(atype.shape)
    results = np.zeros(kinds.size)
    results[real] = function(*(array[real] for array in rows), kinds[real])
    return results.reshape(atype.shape)
