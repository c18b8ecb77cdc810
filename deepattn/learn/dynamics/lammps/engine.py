"""Dynamics by LAMMPS, as jobs."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

from deepattn.config import ModelConfig
from deepattn.distill.explore import Explored, Run, explored_by
from deepattn.errors import ConfigError, DataError
from deepattn.export import convert
from deepattn.formats.files import write_whole
from deepattn.learn.dynamics.engine import Exploration
from deepattn.learn.dynamics.jobs import DynamicsJobs, status_of
from deepattn.learn.dynamics.lammps.config import LammpsConfig
from deepattn.learn.dynamics.lammps.files import DATA, DUMP, END, INPUT, LOG, MODEL
from deepattn.learn.dynamics.lammps.inputs import write_inputs
from deepattn.learn.dynamics.lammps.outputs import (
    FAILED,
    atom_steps,
    read_trajectory,
    stored_frames,
    why_failed,
)
from deepattn.models.files.frozen import FrozenFile

log = logging.getLogger(__name__)


class LammpsEngine(DynamicsJobs):
    """LAMMPS moves the atoms by the frozen model, a run in each folder; see `DynamicsJobs`.

    Models of an ensemble are not given to it: its dumps are evaluated as other frames are.

    Args:
        config: The section of the input.
    """

    inputs = (INPUT, DATA)
    outputs = (DUMP, END, LOG)

    def __init__(self, config: LammpsConfig) -> None:
        super().__init__(config, config.command)

    def check(self, model: ModelConfig) -> None:
        """See `Engine`."""
        if not model.descriptor.graphs:
            raise ConfigError(
                f"learn/explore/engine: LAMMPS runs frozen graphs (.pb), and there are none with "
                f"the descriptor {model.descriptor.type}; set the type to ase."
            )

    def explore(self, exploration: Exploration, folder: Path) -> Explored:
        """See `Engine`.

        Raises:
            DataError: LAMMPS could not be run, or no run came to a frame.
        """
        explored = super().explore(exploration, folder)
        if not explored.frames and explored.stopped.get(FAILED):
            raise DataError(
                f"{folder}: LAMMPS failed in {explored.stopped[FAILED]} of {explored.runs} runs, "
                "and no run has a frame; correct the cause, remove this folder and call the same "
                "command again"
            )
        return explored

    def divide(self, count: int) -> list[list[int]]:
        return [[number] for number in range(count)]

    def prepare(self, exploration: Exploration, folder: Path) -> list[str]:
        target, source = folder / MODEL, exploration.potential.file
        if target.exists():
            return [MODEL]
        if isinstance(source, FrozenFile):
            with source.path.open("rb") as graph, write_whole(target) as file:
                shutil.copyfileobj(graph, file)
        else:
            convert(source, target)
        return [MODEL]

    def write(self, exploration: Exploration, runs: Sequence[Run], place: Path) -> None:
        [run] = runs
        here = set(run.atoms.get_chemical_symbols())
        write_inputs(
            run,
            [name for name in exploration.potential.elements if name in here],
            place,
            timestep=exploration.config.timestep,
            steps=exploration.steps,
            every=exploration.every,
        )

    def failure(self, place: Path) -> str:
        try:
            stored_frames(place)
        except DataError as error:
            status = status_of(place)
            if status == "0":
                return str(error)
            return f"LAMMPS ended with status {status}: {why_failed(place)}"
        return ""

    def read(self, exploration: Exploration, runs: Sequence[Run], place: Path) -> Explored:
        [run] = runs
        trajectory = read_trajectory(
            place, run, steps=exploration.steps, closest=exploration.closest
        )
        if trajectory.stopped == FAILED:
            log.warning(
                "run %d at %g K: LAMMPS ended with status %s: %s; its frames before, %d, are kept",
                *(run.number, run.condition.temperature, status_of(place)),
                *(why_failed(place), len(trajectory.frames)),
            )
        return explored_by(runs, [trajectory], *atom_steps(place))
