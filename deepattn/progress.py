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
        items: what to go through.
        title: what is being done.
    """
    console = Console(stderr=True)
    started = monotonic()
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = None
        for done, item in enumerate(items):
            yield item
            if task is None and monotonic() - started > _PATIENCE:
                task = progress.add_task(title, total=len(items))
            if task is not None:
                progress.update(task, completed=done + 1)
