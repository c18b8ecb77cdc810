"""The rules for the number of steps, and for what depends on it."""

from __future__ import annotations

import math

from deepattn.suggest.choice import Choice
from deepattn.suggest.timing import StepTime

# Part of the time that is planned; the rest is for evaluations, checkpoints and slower batches.
_PLANNED = 0.85
# More passes over the data teach little, except for very few frames, which still need some steps.
_PASSES = 1000
_AT_LEAST = 20000
_AT_MOST = 1_000_000
_FEW = 2000
EVALUATIONS = 40
_CHECKPOINTS = 8


def steps(minutes: float, time: StepTime, *, steps_per_pass: int) -> Choice:
    """As many steps as fit into the time.

    Args:
        minutes: The time for the whole training.
        time: Measured time of a step.
        steps_per_pass: Steps in which as many frames are drawn as there are.
    """
    left = max(60 * minutes - time.start, 0.0)
    fitting = max(1, _rounded(_PLANNED * left / time.seconds))
    useful = min(max(_PASSES * steps_per_pass, _AT_LEAST), _AT_MOST)
    count = min(fitting, _rounded(useful))
    passes = count / steps_per_pass
    why = (
        f"measured: {time.seconds:.3g} s per step ({time.steps} steps on this machine), "
        f"{time.start:.0f} s before the first; estimated: "
        f"{(count * time.seconds / _PLANNED + time.start) / 60:.3g} minutes of the {minutes:g} "
        f"given; {passes:.3g} passes over the data"
    )
    if count < fitting:
        why += "; more would hardly lower the errors, a wider net or more data might"
    elif passes < 1:
        why += "; not all frames are seen, which takes more --minutes"
    elif count < _FEW:
        why += f"; at least {_FEW} steps are needed for useful errors, so give more --minutes"
    return Choice({"training/numb_steps": count}, why)


def files(count: int) -> Choice:
    """When the learning curve and checkpoints are written.

    Args:
        count: Number of steps.
    """
    shown = max(1, round(count / EVALUATIONS))
    return Choice(
        {
            "training/disp_freq": shown,
            "training/save_freq": max(shown, round(count / _CHECKPOINTS)),
        },
        f"about {EVALUATIONS} lines of the learning curve and {_CHECKPOINTS} checkpoints",
    )


def learning_rate() -> Choice:
    """The schedule, which spans the steps."""
    values = {"type": "cosine", "start_lr": 5e-3, "stop_lr": 1e-5}
    return Choice(
        {f"learning_rate/{key}": value for key, value in values.items()},
        "stays high for most of the steps, whatever their number, and ends low; if the training "
        "diverges, start at 2e-3",
    )


def _rounded(number: float) -> int:
    """Two digits, rounded down."""
    if number < 100:
        return int(number)
    unit = 10 ** (int(math.log10(number)) - 1)
    return int(number // unit * unit)
