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
from deepattn.train.branch import Branch
from deepattn.train.distribution import Distribution
from deepattn.train.neighbor_stat import (
    NeighborStat,
    most_neighbors,
    neighbor_statistics,
    shortest_distance,
)

log = logging.getLogger(__name__)


def with_neighbors(
    config: Config | MultiTaskConfig, branches: Sequence[Branch], distribution: Distribution
) -> tuple[Config | MultiTaskConfig, float]:
    """The configuration with numbers for an automatic ``sel``, and the shortest distance, Å.

    Branches that share a descriptor share the largest numbers of neighbors. The search is the
    chief's.
    """
    log.info("Calculate neighbor statistics... (add --skip-neighbor-stat to skip this step)")
    most: dict[str, np.ndarray] = {}
    shortest = math.inf
    for branch in branches:
        section = branch.config.model
        mixed = not isinstance(section.descriptor, SeE2AConfig)
        sel = section.descriptor.sel
        search = partial(
            neighbor_statistics,
            branch.data.systems,
            rcut=section.descriptor.rcut,
            ntypes=section.ntypes,
            mixed_types=mixed,
            sel=None if isinstance(sel, str) else list(slots_of(sel)),
        )
        found = NeighborStat(**distribution.from_chief(partial(_as_dict, search)))
        shortest = min(shortest, found.min_nbor_dist)
        key = _descriptor_key(config, branch.name)
        numbers = np.array(found.max_nbor_size)
        most[key] = np.maximum(most.get(key, numbers), numbers)
    tasks = {}
    for branch in branches:
        key = _descriptor_key(config, branch.name)
        sharing = [other for other in branches if _descriptor_key(config, other.name) == key]
        systems = [system for other in sharing for system in other.data.systems]
        try:
            tasks[branch.name] = _with_sel(branch, most[key].tolist(), systems, distribution)
        except NoNeighborsError as error:
            raise ConfigError(f"{error}: {_why_no_neighbors(systems, branch)}") from None
    return config.with_tasks(tasks), shortest


def _as_dict(search: Callable[[], NeighborStat]) -> dict[str, Any]:
    return asdict(search())


def _with_sel(
    branch: Branch, numbers: list[int], systems: Sequence[System], distribution: Distribution
) -> Config:
    section = branch.config.model
    if isinstance(section.descriptor, Dpa2Config):
        search = partial(most_neighbors, systems, ntypes=section.ntypes)
        return fill_nsel(branch.config, lambda rcut: distribution.from_chief(partial(search, rcut)))
    mixed = not isinstance(section.descriptor, SeE2AConfig)
    return fill_sel(branch.config, numbers[0] if mixed else numbers)


def _why_no_neighbors(systems: Sequence[System], branch: Branch) -> str:
    section = branch.config.model
    distance = shortest_distance(systems, section.descriptor.rcut, ntypes=section.ntypes)
    if distance is None:
        return "each stands alone; give a number to train on isolated atoms"
    return f"the nearest two are {distance:.4g} Å apart; check the unit of the lengths, and rcut"


def require_sel(branches: Sequence[Branch]) -> None:
    """Refuse an automatic ``sel``, for which there are no neighbor statistics."""
    for branch in branches:
        if (automatic := automatic_sel(branch.config)) is not None:
            key, sel = automatic
            raise ConfigError(
                f"{key} is {sel!r}, which needs the neighbor statistics; leave out "
                "--skip-neighbor-stat or give a number."
            )


def count_steps(
    config: Config | MultiTaskConfig, branches: Sequence[Branch]
) -> Config | MultiTaskConfig:
    """Turn epochs into ``numb_steps``, and settle the weights of several branches."""
    steps = {
        branch.name: epochs * branch.data.steps_per_epoch()
        for branch in branches
        if (epochs := branch.config.training.numb_epoch) is not None
        and branch.config.training.numb_steps is None
    }
    tasks = {branch.name: branch.config for branch in branches}
    if steps:
        total = math.ceil(sum(steps.values()))
        for branch in branches:
            label = f" of {branch.name}" if branch.name else ""
            epochs = branch.config.training.numb_epoch
            log.info("numb_epoch %g%s is %d steps", epochs, label, math.ceil(steps[branch.name]))
        tasks = {name: _with_steps(task, total) for name, task in tasks.items()}
    config = config.with_tasks(tasks)
    if isinstance(config, Config) or config.model_prob is not None:
        return config
    systems = {branch.name: float(len(branch.data.systems)) for branch in branches}
    return replace(config, model_prob=steps or systems)


def shares(config: Config | MultiTaskConfig) -> Mapping[str, float]:
    """Weight of each branch in the draw of a step's branch."""
    return {"": 1.0} if isinstance(config, Config) else config.model_prob or {}


def _with_steps(task: Config, steps: int) -> Config:
    return replace(task, training=replace(task.training, numb_steps=steps, numb_epoch=None))


def _descriptor_key(config: Config | MultiTaskConfig, name: str) -> str:
    links = config.branches[name].links if isinstance(config, MultiTaskConfig) else {}
    return f"/{links['descriptor'].key}" if "descriptor" in links else name
