"""Children of a program that compute until they are killed."""

import os
import traceback
from collections.abc import Callable


def fork(run: Callable[[], int]) -> int:
    """A child that runs a function, whose result is its status; it writes to ``log``."""
    child = os.fork()
    if child:
        return child
    status = 99
    try:
        log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        status = run()
    except Exception:
        traceback.print_exc()
    finally:
        os._exit(status)


def end_of(child: int) -> int:
    """The exit code of a child, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
