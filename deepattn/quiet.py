"""A logger at another level for a while."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def at_level(logger: logging.Logger, level: int) -> Iterator[None]:
    """A block in which a logger drops what is below a level.

    Args:
        logger: The logger.
        level: As of `logging`.
    """
    before = logger.level
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(before)
