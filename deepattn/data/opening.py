"""Opening files when there may be more of them than the process may hold open."""

import errno
import os
import resource
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from deepattn.errors import DataError

Opened = TypeVar("Opened")


def opened(path: str, open_file: Callable[[], Opened]) -> Opened:
    """Result of ``open_file``; without a free file descriptor the soft limit is raised first.

    Raises:
        DataError: The process may open no more files.
    """
    try:
        return open_file()
    except Exception as error:
        if not _out_of_descriptors(error):
            raise
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        return open_file()
    except Exception as error:
        if not _out_of_descriptors(error):
            raise
        raise DataError(
            f"{path} cannot be opened: the process has reached its limit of "
            f"{resource.getrlimit(resource.RLIMIT_NOFILE)[0]} open files; raise it with "
            "ulimit -n"
        ) from None


def _out_of_descriptors(error: Exception) -> bool:
    # Not every library passes the number on.
    numbers = (errno.EMFILE, errno.ENFILE)
    return getattr(error, "errno", None) in numbers or os.strerror(errno.EMFILE) in str(error)
