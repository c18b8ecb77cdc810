"""A line of progress on a terminal, for work that turns out to take long."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

_PATIENCE = 2.0  # s

Item = TypeVar("Item")


def tracked(items: Sequence[Item], title: str) -> Iterator[Item]:
    """Go through items; if it takes longer than two seconds, show how far it is.

    Args:
        items: What to go through, to its end.
        title: What is being done.
    """
    with counted(len(items), title) as tick:
        for item in items:
            yield item
            tick()


@contextmanager
def counted(total: int, title: str) -> Iterator[Callable[[], None]]:
    """Count what is done; if it takes longer than two seconds, show how far it is.

    Args:
        total: How often the function will be called.
        title: What is being done.

    Yields:
        A function to call after each part, from any thread.
    """
    console = Console(stderr=True)
    started = monotonic()
    # Results go to standard output, which may be a file while standard error is a terminal.
    line = Progress(console=console, transient=True, redirect_stdout=False)
    task, done = None, 0

    def tick() -> None:
        nonlocal task, done
        done += 1
        if task is None and console.is_terminal and monotonic() - started > _PATIENCE:
            line.start()
            task = line.add_task(title, total=total)
        if task is not None:
            line.update(task, completed=done)

    try:
        yield tick
    finally:
        if task is not None:
            line.stop()


@contextmanager
def downloading(title: str) -> Iterator[Callable[[int, int | None], None]]:
    """Show the progress of a download on a terminal.

    Args:
        title: What is downloaded.

    Yields:
        A function to call with the bytes that are there and those of the whole, if known.
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    line = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    with line:
        task = line.add_task(title, total=None)
        yield lambda done, total: line.update(task, completed=done, total=total)
