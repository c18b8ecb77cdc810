"""Weights of the tasks by patterns of their names, as the section ``training/finetune`` has them.

A name is that of `deepattn show`; in a multi-task training it may have the branch before it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

import keras

from deepattn.errors import ConfigError
from deepattn.train.task import Task

# That a message names.
MOST_NAMES = 4


def weights_of(
    tasks: Sequence[Task],
    patterns: Sequence[str],
    *,
    key: str,
    noun: str = "weight",
    among: Callable[[keras.Variable], bool] = lambda variable: True,
) -> dict[str, keras.Variable]:
    """The trained weights that match one of the patterns, by name, with the branch if there is one.

    Args:
        tasks: The tasks, whose models have their weights.
        patterns: The patterns.
        key: Where they are in the input, for messages.
        noun: Name of what is looked for, for messages.
        among: Which weights count.

    Raises:
        ConfigError: A pattern matches none, or one of a new fitting net.
    """
    found: dict[str, keras.Variable] = {}
    candidates = {
        name: variable for name, variable in trained_weights(tasks).items() if among(variable)
    }
    new = {number for task in tasks for number in new_weights(task)}
    for pattern in patterns:
        chosen = {
            name: variable
            for name, variable in candidates.items()
            if any(fnmatchcase(spelling, pattern) for spelling in _spellings(tasks, name))
        }
        for name, variable in chosen.items():
            if id(variable) in new:
                raise ConfigError(
                    f"{key} has {pattern!r}, which matches {name}, a weight of the new fitting "
                    "net; it has nothing to keep."
                )
        if not chosen:
            names = ", ".join(list(candidates)[:MOST_NAMES])
            raise ConfigError(
                f"{key} has {pattern!r}, which matches no trained {noun}; their names are "
                f"{names}, …"
            )
        found |= chosen
    return found


def trained_weights(tasks: Sequence[Task]) -> dict[str, keras.Variable]:
    """The trained weights of all tasks under all their names."""
    return {
        task.prefix + name: variable
        for task in tasks
        for name, variable in task.model.named_variables().items()
        if variable.trainable
    }


def new_weights(task: Task) -> set[int]:
    """Identities of the weights that are not from the file of a task: of a new fitting net."""
    if not task.start.random_fitting:
        return set()
    return {id(variable) for variable in task.model.fitting.named_variables().values()}


def shortened(names: Sequence[str]) -> str:
    """The first of some names, for a log."""
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more


def _spellings(tasks: Sequence[Task], name: str) -> list[str]:
    """The full name, and that without the branch."""
    prefix = next((t.prefix for t in tasks if t.prefix and name.startswith(t.prefix)), "")
    return [name, name.removeprefix(prefix)]
