"""The processor time of a training, also of one that was stopped and goes on."""

import argparse
import json
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import keras

from deepattn.formats.files import write_whole


class Spender(Protocol):
    """What uses core-minutes."""

    def spent(self) -> float: ...


class Cost(keras.callbacks.Callback):
    """Counts the processor time of this process, and stops a training that has used its share.

    It is written at every display step, so that a killed training loses at most one interval. Time
    that a restart spends once more on steps after the last checkpoint counts too.

    Args:
        path: File for the sum over all calls.
        limit: Core-minutes that this call may use; None for as many as it needs.
    """

    def __init__(self, path: Path, limit: float | None = None) -> None:
        super().__init__()
        self.path = path
        self.limit = limit
        self._before = read_cost(path)
        self._start = _used()

    def on_epoch_end(self, epoch, logs=None) -> None:
        self.write()
        if self.limit is not None and self.spent() > self.limit:
            # The training then writes a checkpoint and ends.
            os.kill(os.getpid(), signal.SIGINT)

    def spent(self) -> float:
        """Core-minutes of this call."""
        return _used() - self._start

    def write(self) -> None:
        """Write the sum of all calls."""
        write_cost(self.path, self._before + self.spent())


def add_budget(parser: argparse.ArgumentParser) -> None:
    """Add the option that limits the time of trainings."""
    parser.add_argument(
        "--budget",
        type=float,
        metavar="MINUTES",
        help="stop when so many core-minutes are used; the same command goes on from there",
    )


class Budget:
    """Core-minutes for several trainings together.

    Args:
        minutes: How many; None for as many as they need.
    """

    def __init__(self, minutes: float | None) -> None:
        self.left = minutes

    @contextmanager
    def of(self, run: Spender) -> Iterator[float | None]:
        """What is left for a run, whose time in the block is taken from it."""
        before = run.spent()
        yield self.left
        if self.left is not None:
            self.left -= run.spent() - before


def write_cost(path: Path, core_minutes: float) -> None:
    """Note core-minutes in a file."""
    with write_whole(path, "w") as file:
        json.dump({"core_minutes": core_minutes}, file)


def read_cost(path: Path) -> float:
    """Core-minutes that are noted in a file; none if it is not there."""
    return json.loads(path.read_text())["core_minutes"] if path.is_file() else 0.0


def _used() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return (usage.ru_utime + usage.ru_stime) / 60
