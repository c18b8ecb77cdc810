"""The checkpoints with the lowest errors of a full validation."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple


class Record(NamedTuple):
    """A full validation among the best; sorted by error, then by step.

    Attributes:
        error: Value of the metric.
        step: Updates done.
    """

    error: float
    step: int


@dataclass(frozen=True)
class BestFiles:
    """Files ``<prefix>-<step>.t-<rank>.h5`` in a folder.

    Attributes:
        folder: The folder.
        prefix: Beginning of the names.
    """

    folder: Path
    prefix: str

    def path(self, step: int, rank: int) -> Path:
        """The checkpoint of a step; the rank of the best is 1."""
        return self.folder / f"{self.prefix}-{step}.t-{rank}.h5"

    def existing(self) -> dict[int, list[Path]]:
        """The files that are there, by step."""
        pattern = re.compile(rf"{re.escape(self.prefix)}-([0-9]+)\.t-[0-9]+\.h5")
        found: dict[int, list[Path]] = {}
        paths = sorted(self.folder.iterdir()) if self.folder.is_dir() else []
        for path in paths:
            match = pattern.fullmatch(path.name)
            if match:
                found.setdefault(int(match[1]), []).append(path)
        return found

    def stale(self, steps: Collection[int]) -> list[Path]:
        """The files of other steps than these."""
        return [
            path for step, paths in self.existing().items() if step not in steps for path in paths
        ]

    def arrange(self, steps: Iterable[int]) -> None:
        """Give the files the ranks that their steps have in a list, and remove all others."""
        found = self.existing()
        for rank, step in enumerate(steps, start=1):
            paths = found.pop(step, [])
            if not paths:
                continue
            name = self.path(step, rank)
            if name not in paths:
                os.replace(paths[0], name)
                paths = paths[1:]
            for path in paths:
                if path != name:
                    path.unlink()
        for paths in found.values():
            for path in paths:
                path.unlink()


class BestCheckpoints:
    """The best checkpoints so far, and their files.

    A file that is no longer among the best stays until the next checkpoint of the training is
    written, ranked behind the others. So the files that a checkpoint tells of are there whenever
    the training is killed and resumed from it.

    Args:
        files: Their files.
        metric: Name of the error that ranks them.
        most: Number of checkpoints to keep.
        state: State of a run that is resumed.
        written: Whether this process writes files of them.

    Attributes:
        records: The best validations, the first of all first.
        waited: Number of validations since the first of them.
    """

    def __init__(
        self,
        files: BestFiles,
        *,
        metric: str,
        most: int,
        state: Mapping[str, Any] | None,
        written: bool,
    ) -> None:
        self._files = files
        self._metric = metric
        self._most = most
        self._written = written
        self.records = records_of(state, metric)[:most]
        self.waited = int(state["waited"]) if state is not None and self.records else 0
        self._kept = self.records
        self.commit()

    def offer(self, step: int, error: float) -> int | None:
        """Take in a validation; its rank, or None if it is not among the best.

        Args:
            step: Updates done.
            error: Value of the metric.
        """
        record = Record(error, step)
        others = [other for other in self.records if other.step != step]
        records = sorted([*others, record])[: self._most]
        self.waited = 0 if records[0] == record else self.waited + 1
        if record not in records:
            return None
        self.records = records
        return records.index(record) + 1

    def path(self, step: int, rank: int) -> Path:
        """The file of a checkpoint."""
        return self._files.path(step, rank)

    def arrange(self) -> None:
        """Bring the files in line with the ranks."""
        if self._written:
            steps = [record.step for record in (*self.records, *self._kept)]
            self._files.arrange(dict.fromkeys(steps))

    def commit(self) -> None:
        """Remove what is not among the best: a checkpoint with the records has been written."""
        self._kept = self.records
        self.arrange()

    def state(self) -> dict[str, Any]:
        """The records, for the header of a checkpoint."""
        return {
            "metric": self._metric,
            "best": [list(record) for record in self.records],
            "waited": self.waited,
        }


def records_of(state: Mapping[str, Any] | None, metric: str) -> list[Record]:
    """The records in the header of a checkpoint; none if it has those of another metric."""
    if state is None or state.get("metric") != metric:
        return []
    return sorted(Record(float(error), int(step)) for error, step in state["best"])
