"""Errors of a student with respect to the teacher, and the stopping criterion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms

from deepattn.distill.potential import Labels
from deepattn.infer.deviation import model_deviation


def errors(predicted: Sequence[Labels], labels: Sequence[Labels]) -> dict[str, float]:
    """Root mean square errors over all frames.

    Args:
        predicted: Of the student.
        labels: Of the teacher.

    Returns:
        ``energy`` (eV/atom), ``force`` (eV/Å) and, if any frame has one, ``virial`` (eV/atom).
    """
    pairs = list(zip(predicted, labels, strict=True))
    differences = {
        "energy": [(a.energy - b.energy) / len(b.force) for a, b in pairs],
        "force": [(a.force - b.force).ravel() for a, b in pairs],
        "virial": [(a.virial - b.virial) / len(b.force) for a, b in pairs if b.virial is not None],
    }
    return {
        name: float(np.sqrt(np.mean(np.concatenate([np.ravel(x) for x in values]) ** 2)))
        for name, values in differences.items()
        if values
    }


def force_deviations(
    predictions: Sequence[Sequence[Labels]],
    frames: Sequence[Atoms],
    labels: Sequence[Labels] | None = None,
) -> np.ndarray:
    """Largest deviation of a force in each frame, as ``max_devi_f`` of ``deepattn model-devi``.

    Args:
        predictions: Of each student, of each frame.
        frames: The frames.
        labels: Of the teacher, which the students are compared with; without them they are
            compared with one another.

    Returns:
        eV/Å, ``[number of frames]``.
    """
    found = []
    for row, atoms in enumerate(frames):
        deviation = model_deviation(
            [_arrays(student[row]) for student in predictions],
            atype=np.zeros((1, len(atoms)), int),
            labels=None if labels is None else _arrays(labels[row]),
        )
        found.append(deviation["max_devi_f"][0])
    return np.array(found)


def is_enough(rmse: float | None, threshold: float) -> bool:
    """Whether to stop: the force error on frames that were not trained on is below the threshold.

    Args:
        rmse: Of the forces, eV/Å; None if there was no frame.
        threshold: The threshold, eV/Å.
    """
    return rmse is not None and rmse <= threshold


def _arrays(labels: Labels) -> dict[str, np.ndarray]:
    """Of one frame, as `model_deviation` takes them."""
    virial = np.zeros(9) if labels.virial is None else labels.virial
    return {
        "energy": np.array([labels.energy]),
        "force": labels.force[None],
        "virial": virial[None],
    }
