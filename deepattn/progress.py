"""A line of progress on a terminal, for work that turns out to take long."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from time import monotonic
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress

_PATIENCE = 2.0  # s

Item = TypeVar("Item")


def tracked(items: Sequence[Item], title: str) -> Iterator[Item]:
    """Go through items; if it takes longer than two seconds, show how far it is.

    Args:
        items: what to go through, to its end.
        title: what is being done.
    """
    console = Console(stderr=True)
    started = monotonic()
    # Results go to standard output, which may be a file while standard error is a terminal.
    line = Progress(console=console, transient=True, redirect_stdout=False)
    task = None
    try:
        for done, item in enumerate(items):
            yield item
            if task is None and console.is_terminal and monotonic() - started > _PATIENCE:
                line.start()
                task = line.add_task(title, total=len(items))
            if task is not None:
                line.update(task, completed=done + 1)
    finally:
        line.stop()
