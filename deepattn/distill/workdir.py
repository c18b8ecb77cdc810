"""The working directory: stages that are done are kept, and not repeated."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ase.io
from ase import Atoms

from deepattn.errors import ConfigError
from deepattn.formats.files import remove_leftovers, write_whole
from deepattn.formats.locks import locked

log = logging.getLogger(__name__)

# Initial structures, next to the input.
STRUCTURES = "structures.extxyz"


class WorkDir:
    """Files of one distillation, or of another command that works in stages.

    A stage is a function that writes its files and returns results, which are written last. A stage
    whose results exist is skipped, so a command that was interrupted at any moment resumes with the
    stage it was in.

    Args:
        folder: The folder, which is created.
        record: All that decides what is done, JSON-able.
        command: Name of the command, which is that of its section in the record too.
        free: Paths of keys in that section that may change.

    Raises:
        ConfigError: The folder is of another command, or of the same one with another record.
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        record: Mapping[str, Any],
        command: str = "distill",
        *,
        free: Sequence[str] = (),
    ) -> None:
        self.folder = Path(folder)
        self.command = command
        record = json.loads(json.dumps(record))
        name = f"{command}.json"
        path = self.folder / name
        remove_leftovers(self.folder, name)
        if path.exists():
            before = json.loads(path.read_text(encoding="utf-8"))
            changed = difference(before, record, free=[f"{command}/{key}" for key in free])
            if changed:
                raise ConfigError(
                    f"{self.folder}: was started with another {changed}; restore it, or "
                    "choose another folder (-o)"
                )
        elif self.folder.exists() and any(self.folder.iterdir()):
            raise ConfigError(
                f"{self.folder}: has files but no {name}, so it is not a folder of deepattn "
                f"{command}; choose another one (-o)"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(path, record)

    @contextmanager
    def claimed(self) -> Iterator[WorkDir]:
        """Hold the folder, so that no other process works in it.

        Raises:
            BusyError: Another process does.
        """
        with locked(
            self.folder / f"{self.command}.json",
            lambda holder: (
                f"{self.folder}: deepattn {self.command} is at work there already ({holder}); "
                "wait until it ends"
            ),
        ):
            yield self

    def path(self, *parts: str) -> Path:
        """A path in the folder; its parent is created."""
        path = self.folder.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def stage(self, name: str, work: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
        """Execute a stage unless it is done.

        Args:
            name: Path of its results in the folder, without ``.json``.
            work: Writes its files and returns the results.

        Returns:
            The results, with the ``seconds`` it took.
        """
        path = self.path(f"{name}.json")
        if path.exists():
            log.info("%s: done before", name)
            return self.results(name)
        began = time.monotonic()
        results = {**work(), "seconds": time.monotonic() - began}
        write_json(path, results)
        return results

    def results(self, name: str) -> dict[str, Any]:
        """Results of a stage that is done."""
        return json.loads(self.path(f"{name}.json").read_text(encoding="utf-8"))

    def hours(self) -> float:
        """Hours of work in all stages."""
        stages = [*self.folder.glob("*.json"), *self.folder.glob("round-*/*.json")]
        results = [json.loads(path.read_text(encoding="utf-8")) for path in stages]
        return sum(found.get("seconds", 0.0) for found in results) / 3600


def write_json(path: Path, results: Mapping[str, Any]) -> None:
    """Write results as JSON, atomically."""
    with write_whole(path, "w") as file:
        json.dump(results, file, indent=1, ensure_ascii=False)


def write_frames(path: Path, frames: Sequence[Atoms]) -> None:
    """Write frames as extended XYZ, atomically; there may be none."""
    with write_whole(path, "w") as file:
        if frames:
            ase.io.write(file, list(frames), format="extxyz")


def read_frames(path: Path) -> list[Atoms]:
    """Read what `write_frames` wrote."""
    return ase.io.read(path, ":", format="extxyz") if path.stat().st_size else []


def difference(before: Any, now: Any, path: str = "", *, free: Sequence[str] = ()) -> str:
    """First path at which two trees of settings differ, but for those of `free`; empty if none."""
    if not (isinstance(before, dict) and isinstance(now, dict)):
        return "" if before == now else path
    for key in sorted({*before, *now}):
        where = f"{path}/{key}" if path else key
        if where in free:
            continue
        found = difference(before.get(key), now.get(key), where, free=free)
        if found:
            return found
    return ""
