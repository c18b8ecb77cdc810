"""The uncertainty of a model."""

from __future__ import annotations

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

    def evaluate(
        self, descriptor: np.ndarray, force: np.ndarray, atype: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Expected errors of forces, and distances.

        Args:
            descriptor: ``[nframes, natoms, width]``.
            force: eV/Å, ``[nframes, natoms, 3]``.
            atype: Types, ``[nframes, natoms]``; −1 is a virtual atom, whose results are zero.

        Returns:
            Expected root mean square error of the force, eV/Å, ``[nframes, natoms]``, and distance
            ``[nframes, natoms]``.
        """
        real = atype >= 0
        kinds = atype[real]
        found = self.distance(descriptor[real], kinds)
        error, distance = np.zeros(atype.shape), np.zeros(atype.shape)
        distance[real] = found
        error[real] = self.calibration(found, force[real], kinds)
        return error, distance
