"""Dynamics by ASE as jobs."""

from __future__ import annotations

import json
import math
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from deepattn.distill.explore import Explored, Run
from deepattn.distill.workdir import read_frames, write_frames, write_json
from deepattn.formats.files import write_whole
from deepattn.learn.dynamics.ase.config import AseJobsConfig
from deepattn.learn.dynamics.ase.files import FRAMES, RESULT, STRUCTURES, TASK
from deepattn.learn.dynamics.engine import Exploration
from deepattn.learn.dynamics.jobs import DynamicsJobs, last_error, status_of


class AseJobs(DynamicsJobs):
    """As many jobs as are wanted, each with some of the runs. See `DynamicsJobs`.

    Args:
        config: The section of the input.
    """

    inputs = (TASK,)
    outputs = (FRAMES, RESULT)

    def __init__(self, config: AseJobsConfig) -> None:
        command = config.command or f"{sys.executable} -m deepattn.learn.dynamics.ase.job"
        super().__init__(config, command)

    def divide(self, count: int) -> list[list[int]]:
        size = math.ceil(count / self.parallel)
        return [list(range(count)[first : first + size]) for first in range(0, count, size)]

    def prepare(self, exploration: Exploration, folder: Path) -> list[str]:
        model = exploration.potential.file.path
        if not (folder / model.name).exists():
            with model.open("rb") as source, write_whole(folder / model.name) as file:
                shutil.copyfileobj(source, file)
        write_frames(folder / STRUCTURES, exploration.structures)
        return [model.name, STRUCTURES]

    def write(self, exploration: Exploration, runs: Sequence[Run], place: Path) -> None:
        file = exploration.potential.file
        section = exploration.config.to_dict()
        section.pop("engine", None)
        task = {
            "model": file.path.name,
            "head": file.chosen_branch(),
            "explore": section,
            "steps": exploration.steps,
            "every": exploration.every,
            "closest": exploration.closest,
            "seed": list(exploration.seed),
            "numbers": [run.number for run in runs],
        }
        write_json(place / TASK, task)

    def failure(self, place: Path) -> str:
        status = status_of(place)
        if status == "0" and (place / RESULT).stat().st_size:
            return ""
        return f"the command ended with status {status}: {last_error(place)}"

    def read(self, exploration: Exploration, runs: Sequence[Run], place: Path) -> Explored:
        result = json.loads((place / RESULT).read_text(encoding="utf-8"))
        return Explored(frames=read_frames(place / FRAMES), **result)
