"""Dynamics that is divided among jobs."""

from __future__ import annotations

import json
import math
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ase import Atoms

from deepattn.distill.config import ExploreConfig
from deepattn.distill.explore import Explored, number_of_runs
from deepattn.distill.potential import ModelPotential
from deepattn.distill.workdir import read_frames, write_frames, write_json
from deepattn.errors import DataError
from deepattn.formats.files import write_whole
from deepattn.learn.dispatch.dispatcher import Dispatcher
from deepattn.learn.dispatch.script import COMMON, ERRORS, OUTPUT, SCRIPT, STATUS, script
from deepattn.learn.dynamics.config import DynamicsJobsConfig
from deepattn.learn.dynamics.files import FRAMES, RESULT, STRUCTURES, TASK

_OUTPUTS = (FRAMES, RESULT)


class DynamicsJobs:
    """Runs of dynamics, each job with some of them; their frames are those of `explore`.

    Args:
        config: The section of the input.

    Raises:
        ConfigError: dpdispatcher is not installed, or does not accept its sections.
    """

    def __init__(self, config: DynamicsJobsConfig) -> None:
        self._config = config
        self._dispatcher = Dispatcher(config)

    def explore(
        self,
        potential: ModelPotential,
        structures: Sequence[Atoms],
        config: ExploreConfig,
        *,
        steps: int,
        every: int,
        closest: float,
        seed: Sequence[int],
        folder: Path,
        title: str,
    ) -> Explored:
        """Move structures at all conditions.

        Args:
            potential, structures, config, steps, every, closest, seed, title: As for `explore`.
            folder: Of this call alone; the same call after an interruption finds its jobs.

        Raises:
            DataError: The command of a job failed.
        """
        numbers = range(number_of_runs(config))
        size = math.ceil(len(numbers) / self._config.parallel)
        parts = [list(numbers[first : first + size]) for first in range(0, len(numbers), size)]
        common, model = folder / COMMON, Path(potential.name)
        common.mkdir(parents=True, exist_ok=True)
        if not (common / model.name).exists():
            with model.open("rb") as source, write_whole(common / model.name) as file:
                shutil.copyfileobj(source, file)
        write_frames(common / STRUCTURES, structures)
        section = config.to_dict()
        section.pop("jobs", None)
        task: dict[str, Any] = {"model": model.name, "explore": section, "steps": steps}
        task |= {"every": every, "closest": closest, "seed": list(seed)}
        names = [f"part-{number}" for number in range(len(parts))]
        for name, part in zip(names, parts, strict=True):
            place = folder / name
            place.mkdir(exist_ok=True)
            write_json(place / TASK, {**task, "numbers": part})
            with write_whole(place / SCRIPT, "w") as file:
                file.write(script(self._command, _OUTPUTS))
        transfers = {
            "forward_files": [SCRIPT, TASK],
            "backward_files": [STATUS, OUTPUT, ERRORS, *_OUTPUTS],
            "forward_common_files": [f"{COMMON}/{model.name}", f"{COMMON}/{STRUCTURES}"],
        }
        self._dispatcher.run(folder, names, transfers, token="dynamics", title=title)
        return _joined([folder / name for name in names])

    @property
    def _command(self) -> str:
        return self._config.command or f"{sys.executable} -m deepattn.learn.dynamics.job"


def _joined(places: Sequence[Path]) -> Explored:
    """Results of all jobs."""
    results = [_result(place) for place in places]
    stopped: Counter[str] = Counter()
    for result in results:
        stopped.update(result["stopped"])
    return Explored(
        frames=[atoms for place in places for atoms in read_frames(place / FRAMES)],
        runs=sum(result["runs"] for result in results),
        stopped=dict(stopped),
        atom_steps=sum(result["atom_steps"] for result in results),
        seconds=sum(result["seconds"] for result in results),
    )


def _result(place: Path) -> dict[str, Any]:
    """What a job has found, besides its frames.

    Raises:
        DataError: Its command failed.
    """
    status = (place / STATUS).read_text(encoding="utf-8").strip()
    if status != "0" or not (place / RESULT).stat().st_size:
        said = (place / ERRORS).read_text(encoding="utf-8", errors="replace").split("\n")
        last = next((line for line in reversed(said) if line.strip()), "nothing was printed")
        raise DataError(
            f"{place}: dynamics ended with status {status}: {last.strip()}; correct the cause, "
            "remove this folder and call the same command again"
        )
    return json.loads((place / RESULT).read_text(encoding="utf-8"))
