"""The line at the foot of a terminal that shows how far a training is."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol


class Advance(Protocol):
    """Told of each step done and of the total error of its batch."""

    def __call__(self, step: int, rmse: float) -> None: ...


@contextmanager
def progress_line(start: int, stop: int, *, shown: bool = True) -> Iterator[Advance]:
    """Show a bar with the time left on standard error, if that is a terminal.

    Args:
        start: Step that the training starts from.
        stop: Step that it ends with.
        shown: Whether to show it at all.

    Yields:
        A function to call after every step.
    """
    if not shown or not sys.stderr.isatty():
        yield lambda step, rmse: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("rmse {task.fields[rmse]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    progress = Progress(*columns, console=Console(stderr=True), transient=True)
    task = progress.add_task("training", total=stop, completed=start, rmse="–")
    progress.start()
    try:
        yield lambda step, rmse: progress.update(task, completed=step, rmse=f"{rmse:.2e}")
    finally:
        # The terminal may be gone, and the training ends because of it.
        with suppress(OSError):
            progress.stop()
