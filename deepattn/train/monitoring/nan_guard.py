"""Stopping at the first number that is not finite, with a sentence that says where it arose."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from deepattn.errors import DeepattnError

_NAMES = {
    "rmse_e": ("energy", "energy"),
    "rmse_ae": ("atomic energies", "atom_ener"),
    "rmse_f": ("forces", "force"),
    "rmse_v": ("virial", "virial"),
    "rmse_pf": ("weighted forces", "atom_pref"),
    "rmse_gf": ("generalized forces", "drdq"),
}


class NonFiniteError(DeepattnError, FloatingPointError):
    """Training has diverged: a loss or a weight is NaN or infinite."""


def check_figures(
    figures: Mapping[str, float],
    labels: Mapping[str, Any],
    *,
    step: int,
    origin: str,
    advice: str,
) -> None:
    """Refuse a loss that is not finite.

    Args:
        figures: what the training step returned, with the total as ``rmse``.
        labels: labels of the batch.
        step: updates done before this batch.
        origin: system and frames of the batch.
        advice: what the user can go on from.

    Raises:
        NonFiniteError: names the step, the batch and the first term that is not finite.
    """
    if np.isfinite(figures["rmse"]):
        return
    guilty = "loss"
    for name, (words, label) in _NAMES.items():
        present = label in labels and np.any(np.asarray(labels[f"find_{label}"]) > 0)
        if name in figures and present and not np.isfinite(figures[name]):
            guilty = f"error of the {words}"
            break
    raise NonFiniteError(
        f"the {guilty} is not finite at step {step}, on {origin}; {advice} and try a smaller "
        "learning_rate/start_lr."
    )


def check_weights(arrays: Mapping[str, np.ndarray], *, step: int, advice: str) -> None:
    """Refuse weights that are not finite, before they are saved.

    Raises:
        NonFiniteError: names the step and the first such weight.
    """
    for name, array in arrays.items():
        if not np.all(np.isfinite(array)):
            raise NonFiniteError(
                f"the weight {name} is not finite after step {step}; {advice} and try a smaller "
                "learning_rate/start_lr."
            )
