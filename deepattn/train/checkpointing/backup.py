"""Backup of the files that an earlier run has left in the folder of a training."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from deepattn.errors import ModelFileError
from deepattn.formats.checkpoint import (
    checkpoints_of,
    go_back_to,
    list_only,
    listed_after,
    resolve_checkpoint,
)
from deepattn.formats.files import write_whole
from deepattn.formats.numbered import link_latest, numbered_after
from deepattn.train.checkpointing.best import records_of
from deepattn.train.checkpointing.files import TrainingFiles
from deepattn.train.weight_source import WeightSource

log = logging.getLogger(__name__)


def make_room(
    files: TrainingFiles, start: WeightSource, *, output: Path | None, content: bytes | None
) -> None:
    """Put the files of an earlier run aside before a training writes its own.

    They are moved to a folder ``backup-1`` next to them, or the first free number. A restart of
    that run takes its files over; if it starts from an older checkpoint, the later ones and copies
    of the learning curve and of the logs are put aside.

    Args:
        files: The files of the training.
        start: Where the training starts from. A checkpoint that it was read from stays where it is,
            with a copy among the others.
        output: The file of the complete configuration.
        content: Contents of that file before this training wrote it, if it existed.
    """
    prefix = files.prefix
    checkpoints = checkpoints_of(prefix)
    read = _read_from(start, checkpoints)
    logs = [log.path for log in files.logs if log.path.is_file()]
    others = list(_others(files, start))
    if read is not None and start.mode == "restart":
        later = [path for path in listed_after(prefix, read) if path.exists()]
        gone = [other.path for other in others if later or not other.of_a_kill]
        if later or gone:
            backup = _Backup([prefix, *logs, *gone])
            backup.move([*later, *gone])
            backup.copy(logs)
            backup.report(f"an earlier run was resumed from {read.name}", later, [*logs, *gone])
        _go_back(files, start, read)
        return
    if start.mode == "restart":
        logs = []  # which the run continues
    gone = [other.path for other in others]
    if not checkpoints and not logs and not gone:
        return
    kept = [] if read is None else [read]
    outputs = [output] if output is not None and content is not None else []
    backup = _Backup([prefix, *logs, *gone, *outputs])
    backup.copy(kept)
    backup.move(path for path in (*checkpoints, *logs, *gone) if path not in kept)
    index = prefix.parent / "checkpoint"
    if checkpoints:
        backup.move(path for path in (index,) if path.is_file())
        if kept:
            list_only(prefix, kept[0])
        else:
            prefix.with_name(f"{prefix.name}.h5").unlink(missing_ok=True)
    if files.average is not None:
        link_latest(files.average.prefix)
    for path in outputs:
        with write_whole(backup.place(path)) as file:
            file.write(content)
    backup.report("an earlier run is in this folder", checkpoints, [*logs, *gone, *outputs])


def remove_leftovers(files: TrainingFiles, start: WeightSource) -> None:
    """Remove the checkpoints that a run, killed at its end, would still have removed itself."""
    read = _read_from(start, checkpoints_of(files.prefix))
    if read is not None and not listed_after(files.prefix, read):
        _go_back(files, start, read)


def _go_back(files: TrainingFiles, start: WeightSource, read: Path) -> None:
    """Leave the files that there were when a checkpoint had been written."""
    go_back_to(files.prefix, read, keep=files.keep)
    for other in _others(files, start):
        if other.of_a_kill:
            other.path.unlink()
    if files.average is not None:
        link_latest(files.average.prefix)


class _Other(NamedTuple):
    """A checkpoint of averages, or a best one, that a training does not start with.

    Attributes:
        path: The file.
        of_a_kill: Whether a killed run would have removed it, or will write it again.
    """

    path: Path
    of_a_kill: bool


def _others(files: TrainingFiles, start: WeightSource) -> Iterator[_Other]:
    """Checkpoints besides the regular ones that a training does not start with."""
    restarted = start.mode == "restart"
    if files.average is not None:
        for path in numbered_after(files.average.prefix, start.step if restarted else -1):
            yield _Other(path, restarted)
    for validation in files.validations:
        state = start.header.get(validation.name) if restarted else None
        steps = [record.step for record in records_of(state, validation.metric)]
        same = state is not None and state["metric"] == validation.metric
        for path in validation.best.stale(steps):
            yield _Other(path, same)


class _Backup:
    """Folders with a common free number, one next to each file."""

    def __init__(self, files: Sequence[Path]) -> None:
        number = 1
        while any(os.path.lexists(path.parent / f"backup-{number}") for path in files):
            number += 1
        self._name = f"backup-{number}"

    def place(self, path: Path) -> Path:
        """Where a file goes."""
        folder = path.parent / self._name
        folder.mkdir(exist_ok=True)
        return folder / path.name

    def move(self, paths: Iterable[Path]) -> None:
        for path in paths:
            os.rename(path, self.place(path))

    def copy(self, paths: Iterable[Path]) -> None:
        for path in paths:
            shutil.copy2(path, self.place(path))

    def report(self, why: str, checkpoints: Sequence[Path], others: Sequence[Path]) -> None:
        """Log what has been put aside."""
        parts = [str(path) for path in others]
        if checkpoints:
            more = f" and {len(checkpoints) - 1} more" if len(checkpoints) > 1 else ""
            parts.insert(0, f"{checkpoints[-1]}{more}")
        log.warning("%s; its files are kept in %s: %s", why, self._name, ", ".join(parts))


def _read_from(start: WeightSource, checkpoints: Sequence[Path]) -> Path | None:
    """Which of some checkpoints a training starts from."""
    if not start.path:
        return None
    with suppress(ModelFileError):
        read = resolve_checkpoint(start.path).resolve()
        return next((path for path in checkpoints if path.resolve() == read), None)
    return None
