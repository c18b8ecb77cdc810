"""Weights that a fine-tuning does not train, by patterns of their names."""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Mapping, Sequence

import keras

from deepattn.config import Config
from deepattn.errors import ConfigError
from deepattn.train.initialize.patterns import shortened, weights_of
from deepattn.train.task import Task
from deepattn.train.weight_source import WeightSource

log = logging.getLogger(__name__)


def check_start(config: Config, sources: Collection[WeightSource]) -> None:
    """Refuse ``training/finetune`` where there is nothing to keep.

    Args:
        config: Configuration of one of the tasks.
        sources: Where the weights of the tasks come from.

    Raises:
        ConfigError: A task starts from scratch, or a key needs one that does not.
    """
    section = config.training.finetune
    if section is None:
        return
    if any(source.mode == "scratch" for source in sources):
        raise ConfigError(
            "training/finetune keeps what weights of a file know, but there is no file; start with "
            "--finetune, --init-model or --init-frz-model, or remove the section."
        )
    if section.ewc is None:
        return
    if len(sources) > 1:
        raise ConfigError(
            "training/finetune/ewc needs one model that knows the old frames, but there are "
            f"{len(sources)} branches; train one branch, or make the old frames a branch of "
            "their own."
        )
    if any(source.random_fitting for source in sources):
        raise ConfigError(
            "training/finetune/ewc needs a model that knows the old frames, but the fitting net "
            "is new; keep the pretrained one, or use l2_sp."
        )


def freeze_weights(tasks: Sequence[Task]) -> None:
    """Mark the weights that match a pattern of ``training/finetune/freeze`` as not trained.

    Args:
        tasks: The tasks, whose models have their weights.

    Raises:
        ConfigError: A pattern matches no trained weight, or one that is new, or nothing is left to
            train.
    """
    section = tasks[0].config.training.finetune
    if section is None or not section.freeze:
        return
    frozen = weights_of(tasks, section.freeze, key="training/finetune/freeze")
    set_aside(frozen)
    if not any(task.model.trainable_variables for task in tasks):
        raise ConfigError("training/finetune/freeze leaves no weight to train; remove a pattern.")


def set_aside(weights: Mapping[str, keras.Variable]) -> None:
    """Mark weights as not trained, and log that."""
    for variable in weights.values():
        variable.trainable = False
    distinct = {id(variable): variable for variable in weights.values()}
    size = sum(math.prod(variable.shape) for variable in distinct.values())
    log.info("not trained: %s, %s parameters", shortened(list(weights)), f"{size:,}")
