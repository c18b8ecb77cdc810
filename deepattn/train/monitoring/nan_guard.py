"""Stopping at the first number that is not finite, with a message that says where it arose."""

from collections.abc import Mapping, Sequence

import numpy as np

from deepattn.config.loss import TOTAL, Metric
from deepattn.errors import DeepattnError
from deepattn.train.batches import Drawn


class NonFiniteError(DeepattnError, FloatingPointError):
    """Training has diverged: a loss or a weight is NaN or infinite."""


def check_metrics(
    values: Mapping[str, float],
    batch: Drawn,
    metrics: Sequence[Metric],
    *,
    step: int,
    advice: str,
) -> None:
    """Refuse a loss that is not finite.

    Args:
        values: Metrics of the training step, with the total as ``rmse``.
        batch: The batch.
        metrics: Metrics of the loss, without the total.
        step: Updates done before this batch.
        advice: How the user can resume.

    Raises:
        NonFiniteError: Names the step, the batch and the first term that is not finite.
    """
    if np.isfinite(values[TOTAL.name]):
        return
    guilty = TOTAL.words
    labels = batch.read()[0].labels
    for metric in metrics:
        present = all(np.any(np.asarray(labels[f"find_{name}"]) > 0) for name in metric.labels)
        if present and not np.isfinite(values[metric.name]):
            guilty = f"error of the {metric.words}"
            break
    raise NonFiniteError(
        f"the {guilty} is not finite at step {step}, on {batch.origin()}; {advice} and try a "
        "smaller learning_rate/start_lr."
    )


def check_weights(arrays: Mapping[str, np.ndarray], *, step: int, advice: str) -> None:
    """Refuse weights that are not finite, before they are saved.

    Raises:
        NonFiniteError: Names the step and the first such weight.
    """
    for name, array in arrays.items():
        if not np.all(np.isfinite(array)):
            raise NonFiniteError(
                f"the weight {name} is not finite after step {step}; {advice} and try a smaller "
                "learning_rate/start_lr."
            )
