"""Validation errors beside training errors."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from deepattn.diagnose.cause import Cause
from deepattn.diagnose.curve import Curve, blocks, shown, words

# A validation error so many times its lowest is rising, if that was not near the end (tenths).
_RISING = 1.1
_LAST = 7
# Standard errors that this must be, as the lowest of ten is low by chance; and how much lower the
# training error must be.
_SURE = 4.0
_FELL = 0.95
# Ratio of validation and training error that needs an explanation, and how much it must have grown
# to be overfitting.
_GAP = 1.5
_GROWN = 1.3
_EARLY = slice(1, 4)


def gap(curve: Curve, *, spreads: tuple[float, float] | None = None) -> Iterator[Cause]:
    """Overfitting, or validation data that differ from the training data.

    Args:
        curve: The learning curve.
        spreads: Spread of the labels in the training and validation data; None if unknown.
    """
    metric = curve.metric
    if metric is None:
        return
    if metric not in curve.valid:
        yield Cause(
            "no validation",
            0.15,
            "there are no validation errors, so overfitting cannot be noticed: give "
            "training/validation_data of other runs or compositions than the training data",
        )
        return
    if not curve.long:
        return
    valid, train = blocks(curve.valid[metric]), blocks(curve.train[metric])
    best = int(np.nanargmin(valid))
    rise = valid[-1] / valid[best] - 1
    certain = rise > max(_RISING - 1, _SURE * _scatter(curve.valid[metric]))
    if best <= _LAST and certain and train[-1] < _FELL * train[best]:
        yield Cause(
            "overfitting",
            0.85,
            f"the validation error of the {words(metric)} rose from {shown(metric, valid[best])} "
            f"near step {_step(curve, best)} to {shown(metric, valid[-1])}, while that of training "
            f"fell from {shown(metric, train[best])} to {shown(metric, train[-1])}: use fewer "
            "steps, more data or a smaller net; validating/full_validation keeps the best "
            "checkpoint",
        )
        return
    early = float(np.nanmean(valid[_EARLY]) / np.nanmean(train[_EARLY]))
    late = float(valid[-1] / train[-1])
    if early > _GAP:
        labels = ""
        if spreads is not None:
            labels = (
                f" (spread of the labels: {shown(metric, spreads[1])} there, "
                f"{shown(metric, spreads[0])} in training)"
            )
        yield Cause(
            "validation data differ",
            0.6,
            f"from the start the validation error of the {words(metric)} is {early:.1f} times that "
            f"of training{labels}: add such frames to the training data; deepattn test --html "
            "shows which elements and systems it comes from",
        )
    elif late > max(_GAP, _GROWN * early):
        yield Cause(
            "too few data",
            0.6,
            f"at the end the validation error of the {words(metric)} is {late:.1f} times that of "
            f"training, at the beginning {early:.1f} times: the model knows its training frames by "
            "heart; more data or a smaller net help, more steps do not",
        )


def _scatter(errors: np.ndarray) -> float:
    """Standard error of the difference of two tenths of a curve, as a part of them."""
    known = errors[np.isfinite(errors) & (errors > 0)]
    lines = max(len(known) / 10, 1.0)
    # Differences of neighbors, so that the shape of the curve does not count.
    typical = float(np.median(np.abs(np.diff(np.log(known))))) if len(known) > 1 else 0.0
    return float(1.4826 * typical / np.sqrt(2) * np.sqrt(2 / lines))


def _step(curve: Curve, block: int) -> int:
    part = np.array_split(curve.step, 10)[block]
    return int(part[len(part) // 2])
