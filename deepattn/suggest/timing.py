"""Measuring the time of a training step."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np

from deepattn.config import DescriptorConfig, read_input, upgrade
from deepattn.quiet import at_level
from deepattn.suggest.facts import Facts
from deepattn.suggest.sampling import BATCH_ATOMS

# Steps before the clock starts, in which TensorFlow traces and allocates; and those measured.
_WARM_UP = 2
_MEASURED = 5
_SYSTEMS = 8
# Slots cost no time here, so there may be more than the sample needs.
_ROOM = 1.5


@dataclass(frozen=True)
class StepTime:
    """A measurement.

    Attributes:
        seconds: Mean time of a step.
        steps: Steps it was measured on.
        start: Time before the first step: statistics, tracing (s).
    """

    seconds: float
    steps: int
    start: float


def time_steps(content: Mapping[str, Any], facts: Facts) -> StepTime:
    """Make a few steps of the training that an input describes, and write no file.

    Of many systems some are used, so that statistics take little time.

    Args:
        content: The input; the number of steps and the validation data do not matter.
        facts: Its training data.

    Raises:
        DeepattnError: The training cannot start.
    """
    from deepattn.train import Trainer
    from deepattn.train.task_runner import TaskRunner

    began = time.monotonic()
    # The log of a training that nobody asked for stays off the terminal.
    with at_level(logging.getLogger("deepattn"), logging.ERROR):
        trainer = Trainer(read_input(upgrade(shortened(content, facts))), skip_neighbor_stat=True)
        runner = TaskRunner(trainer.tasks[0], distribution=trainer.distribution)
        try:
            for _ in range(_WARM_UP):
                runner.train()
            started = time.monotonic()
            for _ in range(_MEASURED):
                runner.train()
            ended = time.monotonic()
        finally:
            runner.batches.close()
    return StepTime((ended - started) / _MEASURED, _MEASURED, started - began)


def shortened(content: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    """The input for the measurement: few systems, numbers for ``sel``, no validation."""
    short = deepcopy(dict(content))
    model, training = short["model"], short["training"]
    kind = DescriptorConfig.find(model["descriptor"]["type"])
    _, most = facts.neighbors[model["descriptor"]["rcut"]]
    slots = int(_ROOM * most) + 1
    mixed = kind is not None and kind.mixed_types
    model["descriptor"]["sel"] = slots if mixed else [slots] * len(model["type_map"])
    model["data_stat_nbatch"] = 1
    training.pop("validation_data", None)
    training["training_data"]["systems"] = representative(facts)
    training["numb_steps"] = _WARM_UP + _MEASURED
    training["disp_training"] = False
    return short


def representative(facts: Facts) -> list[str]:
    """Systems whose batches are small, large and in between as those of all systems are."""
    frames = facts.batch_frames(BATCH_ATOMS)
    atoms = [count * natoms for count, natoms in zip(frames, facts.natoms, strict=True)]
    order = np.argsort(atoms, kind="stable")
    drawn = np.cumsum(np.array(facts.batches(BATCH_ATOMS))[order])
    quantiles = (np.arange(_SYSTEMS) + 0.5) / _SYSTEMS * drawn[-1]
    chosen: Sequence[int] = np.unique(order[np.searchsorted(drawn, quantiles)]).tolist()
    return [facts.paths[index] for index in chosen]
