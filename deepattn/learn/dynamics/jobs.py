"""Dynamics that is divided among jobs."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from deepattn.distill.explore import Explored, Run, joined
from deepattn.distill.workdir import write_json
from deepattn.errors import DataError
from deepattn.formats.files import write_whole
from deepattn.learn.dispatch.config import DispatchConfig
from deepattn.learn.dispatch.dispatcher import Dispatcher
from deepattn.learn.dispatch.script import COMMON, ERRORS, OUTPUT, SCRIPT, STATUS, script
from deepattn.learn.dynamics.engine import Exploration

_DIVISION = "division.json"


class DynamicsJobs(ABC):
    """Dynamics by jobs, each part of the runs in a folder of its own.

    The division is written down before anything is submitted, so that a call after an interruption
    finds the jobs that run. A part whose command has ended is not run again, unless it failed:
    the next call, before which the cause may have been corrected, repeats it.

    Args:
        config: The section with the keys of jobs.
        command: What runs a part, in its folder.

    Raises:
        ConfigError: dpdispatcher is not installed, or does not accept its sections.

    Class attributes:
        inputs: Files that `write` makes.
        outputs: Files that the command makes.
    """

    inputs: ClassVar[tuple[str, ...]]
    outputs: ClassVar[tuple[str, ...]]

    def __init__(self, config: DispatchConfig, command: str) -> None:
        self.command = command
        self.parallel = config.parallel
        self._dispatcher = Dispatcher(config)

    @abstractmethod
    def divide(self, count: int) -> list[list[int]]:
        """The numbers of the runs of each part.

        Args:
            count: Number of runs.
        """

    @abstractmethod
    def prepare(self, exploration: Exploration, folder: Path) -> list[str]:
        """Write the files that all parts need; returns their names."""

    @abstractmethod
    def write(self, exploration: Exploration, runs: Sequence[Run], place: Path) -> None:
        """Write the files of `inputs` for a part."""

    @abstractmethod
    def failure(self, place: Path) -> str:
        """Why a part whose command has ended has no results; empty if it has."""

    @abstractmethod
    def read(self, exploration: Exploration, runs: Sequence[Run], place: Path) -> Explored:
        """The results of a part that did not fail."""

    def explore(self, exploration: Exploration, folder: Path) -> Explored:
        """See `Engine`.

        Raises:
            DataError: The command of a part failed.
        """
        common = folder / COMMON
        common.mkdir(parents=True, exist_ok=True)
        shared = self.prepare(exploration, common)
        parts = {}
        for number, runs in enumerate(self._division(exploration, folder)):
            place = folder / f"part-{number}"
            place.mkdir(exist_ok=True)
            parts[place] = runs
            if (place / STATUS).is_file():
                if not self.failure(place):
                    continue
                (place / STATUS).unlink()
            self.write(exploration, runs, place)
            with write_whole(place / SCRIPT, "w") as file:
                file.write(script(self.command, self.outputs))
        self._dispatcher.run(
            folder,
            [place.name for place in parts],
            {
                "forward_files": [SCRIPT, *self.inputs],
                "backward_files": [STATUS, OUTPUT, ERRORS, *self.outputs],
                "forward_common_files": [f"{COMMON}/{name}" for name in shared],
            },
            token="dynamics",
            title=exploration.title,
        )
        for place in parts:
            if reason := self.failure(place):
                raise DataError(
                    f"{place}: dynamics failed: {reason}; correct the cause and call the same "
                    "command again"
                )
        return joined([self.read(exploration, runs, place) for place, runs in parts.items()])

    def _division(self, exploration: Exploration, folder: Path) -> list[list[Run]]:
        """The runs of each part, the same in every call."""
        path = folder / _DIVISION
        if not path.is_file():
            write_json(path, {"runs": self.divide(len(exploration.runs))})
        division = json.loads(path.read_text(encoding="utf-8"))["runs"]
        return [[exploration.runs[number] for number in numbers] for numbers in division]


def status_of(place: Path) -> str:
    """The exit status of the command of a part."""
    return (place / STATUS).read_text(encoding="utf-8").strip()


def last_error(place: Path) -> str:
    """The last line that the command of a part printed as an error."""
    lines = (place / ERRORS).read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "nothing was printed")
