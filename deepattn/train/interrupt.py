"""Ctrl-C, SIGTERM and SIGHUP as a request to stop after the current step."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequest:
    """Whether a signal asked to stop, and which."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def __bool__(self) -> bool:
        return self.signal is not None

    def leave(self) -> None:
        """End the program as the signal would have: `KeyboardInterrupt`, or status 128 + n."""
        if self.signal is None or self.signal is signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + self.signal)


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Catch SIGINT, SIGTERM and SIGHUP for the time of the block; a second one acts at once.

    Outside the main thread, where Python has no signals, nothing is caught. SIGHUP, which a
    terminal sends when it is closed, stays ignored under ``nohup``.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    caught = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        caught.append(signal.SIGHUP)

    def handle(number: int, frame: FrameType | None) -> None:
        request.signal = signal.Signals(number)
        restore()

    before = {number: signal.signal(number, handle) for number in caught}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    try:
        yield request
    finally:
        restore()
