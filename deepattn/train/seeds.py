"""One seed for a whole run."""

import hashlib
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from deepattn.config import BranchConfig, Config, ModelConfig, MultiTaskConfig

log = logging.getLogger(__name__)

BLOCKS = ("descriptor", "fitting_net", "type_embedding")


def resolve_seeds(config: Config, scopes: Mapping[str, str] | None = None) -> Config:
    """Give every block that lacks a seed one that follows from ``training.seed``.

    Without ``training.seed`` one is drawn and logged. The result is written to ``out.json``, from
    which the run can be repeated.

    Args:
        config: The configuration.
        scopes: For the blocks ``descriptor``, ``type_embedding`` and ``fitting_net`` what
            distinguishes them from those of other branches, which would draw the same numbers; None
            for a single task.
    """
    config, seed = resolve_training_seed(config)

    def derive(name: str) -> int:
        scope = (scopes or {}).get(name.partition("/")[0])
        return derive_seed(seed, f"{scope}/{name}" if scope else name)

    model = _with_seeds(config.model, derive)
    further = {
        place: _with_seeds(one, partial(_derive_in, derive, place))
        for place, one in model.further.items()
    }
    return replace(config, model=model.with_further(further) if further else model)


def _derive_in(derive: Callable[[str], int], place: int, name: str) -> int:
    return derive(f"models/{place}/{name}")


def _with_seeds(model: ModelConfig, derive: Callable[[str], int]) -> ModelConfig:
    """A model with a seed for every block that lacks one."""
    parts: dict[str, Any] = {
        name: replace(part, seed=derive(name))
        for name in ("type_embedding", "fitting_net")
        if (part := getattr(model, name)) is not None and part.seed is None
    }
    descriptor = model.descriptor.with_seeds(lambda key: derive(f"descriptor/{key}".rstrip("/")))
    return replace(model, descriptor=descriptor, **parts)


def resolve_all_seeds(config: Config | MultiTaskConfig) -> Config | MultiTaskConfig:
    """`resolve_seeds` of every branch, by one ``training.seed``; shared blocks get the same."""
    _, seed = resolve_training_seed(next(iter(config.tasks.values())))
    tasks = {}
    for name, task in config.tasks.items():
        seeded = replace(task, training=replace(task.training, seed=seed))
        scopes = (
            _scopes(name, config.branches[name]) if isinstance(config, MultiTaskConfig) else None
        )
        tasks[name] = resolve_seeds(seeded, scopes)
    return config.with_tasks(tasks)


def resolve_training_seed(config: Config) -> tuple[Config, int]:
    """The configuration with a ``training.seed``, and that; one that is drawn is logged."""
    if config.training.seed is not None:
        return config, config.training.seed
    seed = secrets.randbits(31)
    log.info("training/seed is not set; this run has the seed %d", seed)
    return replace(config, training=replace(config.training, seed=seed)), seed


def derive_seed(seed: int, name: str) -> int:
    """A seed that follows from another one and a name."""
    # Blocks with one seed in common would draw the same numbers.
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def _scopes(name: str, branch: BranchConfig) -> dict[str, str]:
    """Scope of the seeds of a branch's blocks: its name, or that of the shared entry."""
    # A type embedding goes with the descriptor.
    parts = {block: block for block in BLOCKS} | {"type_embedding": "descriptor"}
    return {
        block: f"shared/{branch.links[part].key}" if part in branch.links else name
        for block, part in parts.items()
    }
