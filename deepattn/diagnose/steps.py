"""Too few steps."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from deepattn.diagnose.cause import Cause
from deepattn.diagnose.curve import Curve, words

# Part of the highest rate down to which it counts as high, and the part of the steps at the start
# in which every error falls.
_HIGH = 0.3
_START = 0.05
_LINES = 8
_SPAN = 3.0
# Powers of the number of steps: twice the steps make the error a tenth lower. Standard errors.
_FALLING = 0.15
_SURE = 3.0


def unfinished(curve: Curve, numb_steps: int) -> Iterator[Cause]:
    """The training was stopped before its schedule has ended.

    Args:
        curve: The learning curve.
        numb_steps: Number of steps of the input.
    """
    interval = int(curve.step[-1] - curve.step[-2]) if len(curve.step) > 1 else 0
    if curve.last + interval >= numb_steps:
        return
    rate = f"the learning rate is still {curve.rate[-1]:.1e} and " if curve.rate.size else ""
    yield Cause(
        "unfinished",
        0.9,
        f"the curve ends at step {curve.last} of {numb_steps}; {rate}errors fall most towards the "
        "end of the schedule: let it end, or resume it with --restart",
    )


def falling(curve: Curve) -> Iterator[Cause]:
    """The error falls as a power of the number of steps while the rate is high.

    At the end of a schedule every curve is flat, as the rate is low; so the part with a high rate
    is fitted.
    """
    metric = curve.metric
    if metric is None or not curve.long or not curve.rate.size:
        return
    errors = curve.errors(metric)
    used = (
        np.isfinite(errors)
        & (errors > 0)
        & (curve.rate >= _HIGH * curve.rate.max())
        & (curve.step >= _START * curve.last)
        & (curve.step > 0)
    )
    if used.sum() < _LINES or curve.step[used].max() < _SPAN * curve.step[used].min():
        return
    steps, logs = np.log(curve.step[used]), np.log(errors[used])
    (slope, _), covariance = np.polyfit(steps, logs, 1, cov=True)
    if -slope < _FALLING or -slope < _SURE * np.sqrt(covariance[0, 0]):
        return
    lower = 1 - 2**slope
    yield Cause(
        "too few steps",
        min(0.3 - slope, 0.8),
        f"while the learning rate was high, the error of the {words(metric)} fell as the number of "
        f"steps to the power {slope:.2f}, so twice the {curve.last} steps would make it about "
        f"{lower:.0%} lower: raise training/numb_steps",
    )


def passes(numb_steps: int, steps_per_pass: int) -> Iterator[Cause]:
    """Not all frames have been drawn.

    Args:
        numb_steps: Steps made.
        steps_per_pass: Steps in which as many frames are drawn as there are.
    """
    if numb_steps < steps_per_pass:
        yield Cause(
            "less than one pass",
            0.7,
            f"{numb_steps} steps draw about {numb_steps / steps_per_pass:.0%} of the training "
            f"frames; one pass takes {steps_per_pass}: raise numb_steps or batch_size",
        )
