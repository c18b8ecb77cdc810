"""Exclusive access of one process to the files of a training."""

from __future__ import annotations

import glob
import os
from contextlib import ExitStack
from pathlib import Path

from deepattn.errors import ConfigError
from deepattn.formats.files import remove_leftovers
from deepattn.formats.locks import locked
from deepattn.train.checkpointing.files import TrainingFiles


class Claim:
    """The right to write the files of a training.

    It is a lock on a hidden file next to each, which the kernel drops when the process ends,
    however that happens. Once claimed, their folders are there, and what killed writers left is
    gone.

    A context that may be entered again while it is held.

    Args:
        files: The files of the training.
        others: Further files that the training writes, such as ``out.json``.
        chief: Whether this process writes the files; otherwise nothing is claimed.

    Raises:
        BusyError: On entering: another training has claimed one of them.
        ConfigError: On entering: one of them is a folder.
    """

    def __init__(
        self, files: TrainingFiles, *, others: tuple[str | os.PathLike, ...] = (), chief: bool
    ) -> None:
        self._files = files
        self._others = [Path(path) for path in others]
        self._chief = chief
        self._depth = 0
        self._locks = ExitStack()

    def __enter__(self) -> Claim:
        self._depth += 1
        if self._depth == 1 and self._chief:
            try:
                self._take()
            except BaseException:
                self.__exit__()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if not self._depth:
            self._locks.close()

    def _take(self) -> None:
        prefix = self._files.prefix
        bests = [validation.best for validation in self._files.validations]
        # A device such as /dev/null is for everybody.
        texts = [text for text in self._files.logs if _is_usual(text.path)]
        files = (prefix, *self._others, *(text.path for text in texts))
        for folder in (*(path.parent for path in files), *(best.folder for best in bests)):
            os.makedirs(folder, exist_ok=True)
        for path in (*self._others, *(text.path for text in self._files.logs)):
            if path.is_dir():
                raise ConfigError(f"{path} is a folder, but the training writes a file there.")
        self._lock(prefix, "training/save_ckpt")
        for text in texts:
            self._lock(text.path, text.key)
        for best in bests:
            self._lock(best.folder / best.prefix, "validating/save_best_dir")
            remove_leftovers(best.folder, f"{glob.escape(best.prefix)}-*.h5")
        average = [] if self._files.average is None else [self._files.average.prefix]
        for path in (prefix, *average):
            remove_leftovers(path.parent, f"{glob.escape(path.name)}-*.h5")
            remove_leftovers(path.parent, f"{glob.escape(path.name)}.h5")
        remove_leftovers(prefix.parent, "checkpoint")
        for path in self._others:
            remove_leftovers(path.parent, glob.escape(path.name))

    def _lock(self, path: Path, key: str) -> None:
        self._locks.enter_context(
            locked(
                path,
                lambda holder: (
                    f"{path} is being written by another training ({holder}); wait until it ends, "
                    f"or set another {key}"
                ),
            )
        )


def _is_usual(path: Path) -> bool:
    """Whether a path is that of a file, which may be yet to be made."""
    return path.is_file() or not path.exists()
