"""Locks of files that one process writes at a time."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from deepattn.errors import BusyError

log = logging.getLogger(__name__)


@contextmanager
def locked(path: Path, busy: Callable[[str], str]) -> Iterator[None]:
    """Hold a lock on a hidden file next to another one, which the kernel drops with the process.

    Args:
        path: The file or folder that is written.
        busy: The message, from who holds the lock.

    Raises:
        BusyError: Another process holds it.
    """
    lock = path.with_name(f".{path.name}.lock")
    file = _lock(lock, busy)
    try:
        yield
    finally:
        # While the lock holds: whoever gets it then makes a file anew.
        if file is not None:
            lock.unlink(missing_ok=True)
            file.close()


def _lock(lock: Path, busy: Callable[[str], str]) -> IO | None:
    """The locked file, with the process in it; None where the file system has no locks."""
    while True:
        file = open(lock, "a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                log.warning(
                    "%s: this file system has no locks (%s), so nothing prevents two processes "
                    "from writing the same files",
                    lock.parent,
                    error.strerror,
                )
                file.close()
                lock.unlink(missing_ok=True)
                return None
            file.seek(0)
            holder = file.read(200).strip() or "another process"
            file.close()
            raise BusyError(busy(holder)) from None
        if _is_at(file, lock):
            break
        file.close()
    file.truncate(0)
    file.write(f"process {os.getpid()} on {platform.node()}\n")
    file.flush()
    return file


def _is_at(file: IO, path: Path) -> bool:
    """Whether an open file still has its name; a run that ended has removed it."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False
