"""How long steps take, and how long the rest will."""

import logging
import time

log = logging.getLogger(__name__)


class Clock:
    """Times of the steps of a run.

    Args:
        start: Step that the run starts from.
        stop: Step that it ends with.
        disp_freq: Steps of an interval.
    """

    def __init__(self, start: int, stop: int, disp_freq: int) -> None:
        self._start = start
        self._stop = stop
        self._disp_freq = disp_freq
        self._tic = time.monotonic()
        self._steps: list[float] = []
        self._interval_tic = self._tic

    def __enter__(self) -> None:
        self._tic = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self._steps.append(time.monotonic() - self._tic)

    def interval(self) -> None:
        """Begin an interval."""
        self._interval_tic = time.monotonic()

    def lap(self, step: int) -> tuple[float, float]:
        """End an interval: its length and the time left, in seconds."""
        now = time.monotonic()
        length, self._interval_tic = now - self._interval_tic, now
        shown = max(1, min(self._disp_freq, step - self._start))
        return length, (self._stop - step) / shown * length

    def report(self) -> None:
        """Log the mean time of a step, without the first interval, in which graphs are traced."""
        frequency = self._disp_freq
        whole = len(self._steps) // frequency * frequency
        if whole == 0:
            return
        skipped = frequency if len(self._steps) >= 2 * frequency else 0
        steps = self._steps[skipped:whole]
        note = f" (exclude first {skipped} batches)" if skipped else ""
        log.info("average training time: %.4f s/batch%s", sum(steps) / len(steps), note)
