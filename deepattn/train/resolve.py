"""The complete configuration of a training, after files and data have decided what was open."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from deepattn.config import (
    Config,
    ModelConfig,
    MultiTaskConfig,
    NoNeighborsError,
    automatic_sel,
    config_from_dict,
    fill_sel,
    relocated,
    slots_of,
)
from deepattn.data import DataSet, System
from deepattn.errors import ConfigError
from deepattn.formats.files import write_whole
from deepattn.statistics.neighbors import (
    Cutoff,
    NeighborStat,
    data_set_statistics,
    shortest_distance,
)
from deepattn.train.distributed.strategy import Distribution
from deepattn.train.seeds import resolve_all_seeds
from deepattn.train.weight_source import WeightSource

log = logging.getLogger(__name__)


class Resolved(NamedTuple):
    """A configuration with nothing left open.

    Attributes:
        config: The configuration.
        min_nbor_dist: Shortest distance of two atoms in the training data (Å), or None if it
            is not known.
    """

    config: Config | MultiTaskConfig
    min_nbor_dist: float | None


def resolve_with_files(
    config: Config | MultiTaskConfig,
    sources: Mapping[str, WeightSource],
    distribution: Distribution,
) -> Config | MultiTaskConfig:
    """The configuration completed from the files of the weights, and with all seeds.

    Args:
        config: The configuration.
        sources: Where the weights of each task come from.
        distribution: All workers get the seeds of the chief.

    Raises:
        ModelFileError: A file is of another model.
    """
    adapted = {
        name: sources[name].adapt(single, place=_place(config, name))
        for name, single in config.tasks.items()
    }
    adapted = _with_seed_of_the_run(adapted, next(iter(sources.values())))
    seedless = config.with_tasks(adapted)
    if distribution.workers == 1:
        return resolve_all_seeds(seedless)
    return config_from_dict(distribution.from_chief(lambda: resolve_all_seeds(seedless).to_dict()))


def resolve_with_data(
    config: Config | MultiTaskConfig,
    data: Mapping[str, DataSet],
    sources: Mapping[str, WeightSource],
    distribution: Distribution,
    *,
    search: bool = True,
) -> Resolved:
    """The configuration with what the training data decide: ``sel``, steps, shares of the tasks.

    Args:
        config: Result of `resolve_with_files`.
        data: The training data of each task.
        sources: Where the weights of each task come from.
        distribution: The workers; the chief reads the data, which also checks them.
        search: Whether to read all data, to count neighbors and find the shortest distance;
            otherwise the distance is that of the data that the sources were trained on.

    Raises:
        ConfigError: ``sel`` is automatic without a search, or no atom has a neighbor.
        DataError: A number in the data is not finite, or two atoms are at the same place.
    """
    if search:
        config, shortest = with_neighbors(config, data, distribution)
        return Resolved(count_steps(config, data), shortest)
    require_sel(config)
    known = [s.min_nbor_dist for s in sources.values() if s.min_nbor_dist is not None]
    return Resolved(count_steps(config, data), min(known, default=None))


def with_neighbors(
    config: Config | MultiTaskConfig, data: Mapping[str, DataSet], distribution: Distribution
) -> tuple[Config | MultiTaskConfig, float | None]:
    """The configuration with numbers for an automatic ``sel``, and the shortest distance, Å, None
    where no model has a cutoff.

    Tasks that share a descriptor share the largest numbers of neighbors. The search is the chief's.
    """
    log.info("Calculate neighbor statistics... (add --skip-neighbor-stat to skip this step)")
    found = {
        name: _search(single, data[name], distribution) for name, single in config.tasks.items()
    }
    filled = {}
    for name, single in config.tasks.items():
        sharing = _sharing_descriptor(config, name)
        most = {
            (cutoff.rcut, cutoff.mixed_types): np.max(
                [found[other][place].max_nbor_size for other in sharing], axis=0
            )
            for place, cutoff in enumerate(_cutoffs(single))
        }
        try:
            filled[name] = fill_sel(single, most.__getitem__)
        except NoNeighborsError as error:
            systems = [system for other in sharing for system in data[other].systems]
            reason = _why_no_neighbors(systems, single.model)
            raise ConfigError(f"{error}: {reason}") from None
    shortest = min((stats[0].min_nbor_dist for stats in found.values() if stats), default=None)
    return config.with_tasks(filled), shortest


def _cutoffs(config: Config) -> list[Cutoff]:
    """The cutoff of the model, and those of further lists whose lengths are automatic; none where
    the descriptor has no lists."""
    descriptor = config.model.descriptor
    if not descriptor.neighbor_lists():
        return []
    longest = descriptor.longest_list
    counted = not (isinstance(longest.sel, str) or config.model.of_residues)
    sel = slots_of(longest.sel) if counted else None
    first = Cutoff(longest.rcut, descriptor.is_mixed(longest), sel)
    further = dict.fromkeys(
        Cutoff(one.rcut, descriptor.is_mixed(one))
        for one in descriptor.neighbor_lists()
        if isinstance(one.sel, str)
    )
    further.pop(first._replace(sel=None), None)
    return [first, *further]


def _search(config: Config, data: DataSet, distribution: Distribution) -> list[NeighborStat]:
    def on_the_chief() -> list[dict]:
        stats = data_set_statistics(data, _cutoffs(config), ntypes=config.model.ntypes)
        return [asdict(stat) for stat in stats]

    return [NeighborStat(**stat) for stat in distribution.from_chief(on_the_chief)]


def _why_no_neighbors(systems: Sequence[System], section: ModelConfig) -> str:
    distance = shortest_distance(
        systems, section.descriptor.longest_list.rcut, ntypes=section.ntypes
    )
    if distance is None:
        return "all atoms are isolated; give a number to train on isolated atoms"
    return f"the shortest distance is {distance:.4g} Å; check the unit of lengths, and rcut"


def require_sel(config: Config | MultiTaskConfig) -> None:
    """Refuse an automatic ``sel``, for which there are no neighbor statistics."""
    for single in config.tasks.values():
        if (automatic := automatic_sel(single)) is not None:
            key, sel = automatic
            raise ConfigError(
                f"{key} is {sel!r}, which needs the neighbor statistics; omit "
                "--skip-neighbor-stat or give a number."
            )


def count_steps(
    config: Config | MultiTaskConfig, data: Mapping[str, DataSet]
) -> Config | MultiTaskConfig:
    """Turn epochs into ``numb_steps``, and fix the shares of the tasks of a multi-task training."""
    steps = {
        name: epochs * data[name].steps_per_epoch()
        for name, single in config.tasks.items()
        if (epochs := single.training.numb_epoch) is not None and single.training.numb_steps is None
    }
    if steps:
        for name, count in steps.items():
            label = f" of {name}" if name else ""
            epochs = config.tasks[name].training.numb_epoch
            log.info("numb_epoch %g%s is %d steps", epochs, label, math.ceil(count))
        total = math.ceil(sum(steps.values()))
        counted = {name: _with_steps(single, total) for name, single in config.tasks.items()}
        config = config.with_tasks(counted)
    if isinstance(config, Config) or config.model_prob is not None:
        return config
    systems = {name: float(len(data[name].systems)) for name in config.tasks}
    return replace(config, model_prob=steps or systems)


def shares(config: Config | MultiTaskConfig) -> Mapping[str, float]:
    """Weight of each task in the draw of the task that a step trains."""
    return {"": 1.0} if isinstance(config, Config) else config.model_prob or {}


def _with_steps(config: Config, steps: int) -> Config:
    return replace(config, training=replace(config.training, numb_steps=steps, numb_epoch=None))


def _sharing_descriptor(config: Config | MultiTaskConfig, name: str) -> list[str]:
    """The tasks that have one descriptor with a task, itself included."""
    key = _descriptor_key(config, name)
    return [other for other in config.tasks if _descriptor_key(config, other) == key]


def _descriptor_key(config: Config | MultiTaskConfig, name: str) -> str:
    links = config.branches[name].links if isinstance(config, MultiTaskConfig) else {}
    return f"/{links['descriptor'].key}" if "descriptor" in links else name


def _place(config: Config | MultiTaskConfig, name: str) -> Callable[[str], str]:
    """Gives the path in the input of a key of a task's own configuration."""
    if isinstance(config, Config):
        return config.model.in_input
    return lambda key: relocated(key, name, config.branches[name].links)


def _with_seed_of_the_run(tasks: Mapping[str, Config], source: WeightSource) -> dict[str, Config]:
    """The tasks with the seed of the run that is resumed, where they have none."""
    if source.mode != "restart":
        return dict(tasks)
    seed = source.header["config"].get("training", {}).get("seed")
    return {
        name: single
        if single.training.seed is not None
        else replace(single, training=replace(single.training, seed=seed))
        for name, single in tasks.items()
    }


def write_config(config: Config | MultiTaskConfig, path: Path) -> bytes | None:
    """Write the complete configuration (``out.json``).

    Returns:
        The earlier content of the file, or None if it is new.
    """
    earlier = path.read_bytes() if path.is_file() else None
    with write_whole(path, "w") as file:
        json.dump(config.to_dict(), file, indent=4, ensure_ascii=False)
    return earlier
