"""What the data tell of the configuration before a training: neighbors, steps, weights."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np

from deepattn.config import (
    Config,
    Dpa2Config,
    MultiTaskConfig,
    NoNeighborsError,
    SeE2AConfig,
    automatic_sel,
    fill_nsel,
    fill_sel,
    slots_of,
)
from deepattn.data import System
from deepattn.errors import ConfigError
from deepattn.statistics.neighbors import (
    NeighborStat,
    most_neighbors,
    neighbor_statistics,
    shortest_distance,
)
from deepattn.train.distributed.strategy import Distribution
from deepattn.train.task import Task

log = logging.getLogger(__name__)


def with_neighbors(
    config: Config | MultiTaskConfig, tasks: Sequence[Task], distribution: Distribution
) -> tuple[Config | MultiTaskConfig, float]:
    """The configuration with numbers for an automatic ``sel``, and the shortest distance, Å.

    Branches that share a descriptor share the largest numbers of neighbors. The search is the
    chief's.
    """
    log.info("Calculate neighbor statistics... (add --skip-neighbor-stat to skip this step)")
    most: dict[str, np.ndarray] = {}
    shortest = math.inf
    for task in tasks:
        section = task.config.model
        mixed = not isinstance(section.descriptor, SeE2AConfig)
        sel = section.descriptor.sel
        search = partial(
            neighbor_statistics,
            task.data.systems,
            rcut=section.descriptor.rcut,
            ntypes=section.ntypes,
            mixed_types=mixed,
            sel=None if isinstance(sel, str) else list(slots_of(sel)),
        )
        found = NeighborStat(**distribution.from_chief(partial(_as_dict, search)))
        shortest = min(shortest, found.min_nbor_dist)
        key = _descriptor_key(config, task.name)
        numbers = np.array(found.max_nbor_size)
        most[key] = np.maximum(most.get(key, numbers), numbers)
    settled = {}
    for task in tasks:
        key = _descriptor_key(config, task.name)
        sharing = [other for other in tasks if _descriptor_key(config, other.name) == key]
        systems = [system for other in sharing for system in other.data.systems]
        try:
            settled[task.name] = _with_sel(task, most[key].tolist(), systems, distribution)
        except NoNeighborsError as error:
            raise ConfigError(f"{error}: {_why_no_neighbors(systems, task)}") from None
    return config.with_tasks(settled), shortest


def _as_dict(search: Callable[[], NeighborStat]) -> dict[str, Any]:
    return asdict(search())


def _with_sel(
    task: Task, numbers: list[int], systems: Sequence[System], distribution: Distribution
) -> Config:
    section = task.config.model
    if isinstance(section.descriptor, Dpa2Config):
        search = partial(most_neighbors, systems, ntypes=section.ntypes)
        return fill_nsel(task.config, lambda rcut: distribution.from_chief(partial(search, rcut)))
    mixed = not isinstance(section.descriptor, SeE2AConfig)
    return fill_sel(task.config, numbers[0] if mixed else numbers)


def _why_no_neighbors(systems: Sequence[System], task: Task) -> str:
    section = task.config.model
    distance = shortest_distance(systems, section.descriptor.rcut, ntypes=section.ntypes)
    if distance is None:
        return "each stands alone; give a number to train on isolated atoms"
    return f"the nearest two are {distance:.4g} Å apart; check the unit of the lengths, and rcut"


def require_sel(tasks: Sequence[Task]) -> None:
    """Refuse an automatic ``sel``, for which there are no neighbor statistics."""
    for task in tasks:
        if (automatic := automatic_sel(task.config)) is not None:
            key, sel = automatic
            raise ConfigError(
                f"{key} is {sel!r}, which needs the neighbor statistics; leave out "
                "--skip-neighbor-stat or give a number."
            )


def count_steps(
    config: Config | MultiTaskConfig, tasks: Sequence[Task]
) -> Config | MultiTaskConfig:
    """Turn epochs into ``numb_steps``, and settle the weights of several tasks."""
    steps = {
        task.name: epochs * task.data.steps_per_epoch()
        for task in tasks
        if (epochs := task.config.training.numb_epoch) is not None
        and task.config.training.numb_steps is None
    }
    settled = {task.name: task.config for task in tasks}
    if steps:
        total = math.ceil(sum(steps.values()))
        for task in tasks:
            label = f" of {task.name}" if task.name else ""
            epochs = task.config.training.numb_epoch
            log.info("numb_epoch %g%s is %d steps", epochs, label, math.ceil(steps[task.name]))
        settled = {name: _with_steps(section, total) for name, section in settled.items()}
    config = config.with_tasks(settled)
    if isinstance(config, Config) or config.model_prob is not None:
        return config
    systems = {task.name: float(len(task.data.systems)) for task in tasks}
    return replace(config, model_prob=steps or systems)


def shares(config: Config | MultiTaskConfig) -> Mapping[str, float]:
    """Weight of each task in the draw of the task that a step trains."""
    return {"": 1.0} if isinstance(config, Config) else config.model_prob or {}


def _with_steps(config: Config, steps: int) -> Config:
    return replace(config, training=replace(config.training, numb_steps=steps, numb_epoch=None))


def _descriptor_key(config: Config | MultiTaskConfig, name: str) -> str:
    links = config.branches[name].links if isinstance(config, MultiTaskConfig) else {}
    return f"/{links['descriptor'].key}" if "descriptor" in links else name
