"""A learning rate that is too high or too low."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from deepattn.config.loss import TOTAL
from deepattn.diagnose.cause import Cause
from deepattn.diagnose.curve import Curve, words

# Lines on each side that an error is compared with, and how many times theirs is a jump: in both
# curves, or where there is only one.
_AROUND = 4
_JUMP = 2.5
_ALONE = 5.0
# Of all lines: there every error falls.
_START = 0.1
# A jump of this size counts alone, smaller ones count if there are several.
_LARGE = 5.0
# Rates: below the first weights hardly change, in so much of the steps; up to the second a training
# from scratch is slow; at the end it should be less than this part of the highest.
_IDLE = 1e-6
_IDLE_PART = 0.4
_SLOW = 2e-4
_ENDS_HIGH = 0.05


def diverged(curve: Curve) -> Iterator[Cause]:
    """The loss is not finite."""
    for errors in (curve.train, curve.valid):
        bad = ~np.isfinite(errors.get(TOTAL.name, np.zeros(1)))
        if bad.any():
            step = int(curve.step[np.argmax(bad)])
            yield Cause(
                "diverged",
                1.0,
                f"the loss is not finite at step {step}: lower learning_rate/start_lr, or set "
                "warmup_steps or training/gradient_max_norm",
            )
            return


def jumps(curve: Curve) -> Iterator[Cause]:
    """Training and validation errors jump at the same step, so the weights were bad there."""
    metric = curve.metric
    if metric is None or not curve.long:
        return
    jump = _times(curve.train[metric])
    limit = _ALONE
    if metric in curve.valid:
        jump, limit = np.minimum(jump, _times(curve.valid[metric])), _JUMP
    jump[: int(_START * len(jump))] = 0.0
    where = np.flatnonzero(jump > limit)
    if len(where) < 2 and not (jump > _LARGE).any():
        return
    listed = ", ".join(str(int(step)) for step in curve.step[where[:3]])
    rate = ""
    if curve.rate.size:
        rate = f" at learning rates up to {curve.rate[where].max():.1e}"
    more = f" and {len(where) - 3} more" if len(where) > 3 else ""
    yield Cause(
        "learning rate too high",
        0.75,
        f"the errors of the {words(metric)} jumped to {jump.max():.1f} times those around{rate} "
        f"(steps {listed}{more}): lower learning_rate/start_lr, or set training/gradient_max_norm",
    )


def ends_high(curve: Curve) -> Iterator[Cause]:
    """The rate has not fallen at the end of the schedule."""
    if not curve.rate.size or curve.rate[-1] < _ENDS_HIGH * curve.rate.max():
        return
    yield Cause(
        "learning rate ends high",
        0.6,
        f"the learning rate ends at {curve.rate[-1]:.1e}, {curve.rate[-1] / curve.rate.max():.0%} "
        "of its highest value, so the weights still wander: lower learning_rate/stop_lr",
    )


def ends_early(curve: Curve) -> Iterator[Cause]:
    """The rate was next to nothing in a large part of the steps."""
    if len(curve.rate) < 2:
        return
    idle = float(np.mean(curve.rate < _IDLE))
    if idle > _IDLE_PART and curve.rate.max() > _SLOW:
        yield Cause(
            "learning rate falls too early",
            0.6,
            f"in {idle:.0%} of the steps the learning rate was below {_IDLE:g}, where weights "
            "hardly change: raise stop_lr to 1e-5 or decay_steps, or use the schedule cosine",
        )


def too_low(curve: Curve, spread: float | None) -> Iterator[Cause]:
    """A training from scratch with the rate of a fine-tuning.

    Args:
        curve: The learning curve.
        spread: Spread of the labels of its metric; None if unknown.
    """
    metric = curve.metric
    if metric is None or not curve.rate.size or not spread:
        return
    scratch = curve.errors(metric)[0] > 0.5 * spread
    if scratch and curve.rate.max() <= _SLOW:
        yield Cause(
            "learning rate too low",
            0.65,
            f"the highest learning rate is {curve.rate.max():.1e}, fit for fine-tuning, but the "
            "training began with an untrained model: start at 1e-3 to 5e-3",
        )


def _times(errors: np.ndarray) -> np.ndarray:
    """Each error over the median of those around it; 0 where it is not known."""
    result = np.zeros(len(errors))
    for row, error in enumerate(errors):
        around = np.r_[errors[max(row - _AROUND, 0) : row], errors[row + 1 : row + 1 + _AROUND]]
        around = around[np.isfinite(around)]
        if around.size and np.isfinite(error) and (middle := np.median(around)) > 0:
            result[row] = error / middle
    return result
