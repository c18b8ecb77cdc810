"""Weights that a fine-tuning does not train, by patterns of their names."""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase

import keras

from deepattn.config import Config
from deepattn.errors import ConfigError
from deepattn.train.task import Task

log = logging.getLogger(__name__)

# That a message names.
_MOST = 4


def check_start(config: Config, modes: Collection[str]) -> None:
    """Refuse ``training/finetune`` without weights to keep.

    Args:
        config: Configuration of one of the tasks.
        modes: Where the weights of the tasks come from (`WeightSource.mode`).

    Raises:
        ConfigError: A task starts from scratch.
    """
    if config.training.finetune is not None and "scratch" in modes:
        raise ConfigError(
            "training/finetune keeps what weights of a file know, but there is no file; start with "
            "--finetune, --init-model or --init-frz-model, or remove the section."
        )


def freeze_weights(tasks: Sequence[Task]) -> None:
    """Mark the weights that match a pattern as not trained.

    A name is that of `deepattn show`; in a multi-task training it may have the branch before it.

    Args:
        tasks: The tasks, whose models have their weights.

    Raises:
        ConfigError: A pattern matches no trained weight, or one that is new, or nothing is left to
            train.
    """
    section = tasks[0].config.training.finetune
    if section is None or not section.freeze:
        return
    frozen: dict[str, keras.Variable] = {}
    for pattern in section.freeze:
        found = _matching(tasks, pattern)
        if not found:
            names = ", ".join(list(_matching(tasks, "*"))[:_MOST])
            raise ConfigError(
                f"training/finetune/freeze has {pattern!r}, which matches no trained weight; their "
                f"names are {names}, …"
            )
        frozen |= found
    for variable in frozen.values():
        variable.trainable = False
    if not any(task.model.trainable_variables for task in tasks):
        raise ConfigError("training/finetune/freeze leaves no weight to train; remove a pattern.")
    distinct = {id(variable): variable for variable in frozen.values()}
    size = sum(math.prod(variable.shape) for variable in distinct.values())
    more = f" and {len(frozen) - _MOST} more" if len(frozen) > _MOST else ""
    shown = ", ".join(list(frozen)[:_MOST])
    log.info("not trained: %s%s, %s parameters", shown, more, f"{size:,}")


def new_weights(task: Task) -> set[int]:
    """Identities of the weights that are not from the file of a task: of a new fitting net."""
    if not task.start.random_fitting:
        return set()
    return {id(variable) for variable in task.model.fitting.named_variables().values()}


def _matching(tasks: Sequence[Task], pattern: str) -> dict[str, keras.Variable]:
    """Trained weights by their names, with the branch if there are several."""
    found = {}
    for task in tasks:
        new = new_weights(task)
        for name, variable in task.model.named_variables().items():
            full = task.prefix + name
            if not variable.trainable or not any(
                fnmatchcase(spelling, pattern) for spelling in (name, full)
            ):
                continue
            if id(variable) in new and pattern != "*":
                raise ConfigError(
                    f"training/finetune/freeze has {pattern!r}, which matches {full}, a weight of "
                    "the new fitting net; it has nothing to keep."
                )
            found[full] = variable
    return found
