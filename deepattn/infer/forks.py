"""Forked processes, which lack the threads that TensorFlow has started in their parent."""

import os

from deepattn.errors import ForkError

# Processes that have started TensorFlow's threads: this one, or one that it was forked from.
_started: set[int] = set()


def note_opened() -> None:
    """Note that this process has opened a model."""
    _started.add(os.getpid())


def refuse_forked() -> None:
    """Refuse to wait for threads of TensorFlow that a forked process does not have.

    Raises:
        ForkError: a model was opened here before this process was forked.
    """
    if _started - {os.getpid()}:
        raise ForkError(
            "this process was forked from one that has opened a model, and TensorFlow would wait "
            "forever for threads that only the parent has; open models in the child processes "
            "alone, or start these with multiprocessing.get_context('spawn')"
        )
