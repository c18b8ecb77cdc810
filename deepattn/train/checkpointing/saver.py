"""Writing the state of a training to a checkpoint, and restoring it."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from deepattn.config import Config, MultiTaskConfig
from deepattn.errors import ModelFileError
from deepattn.formats.checkpoint import (
    AVERAGE,
    LOW_RANK,
    OPTIMIZER,
    WEIGHTS,
    write_arrays,
    write_checkpoint,
)
from deepattn.formats.numbered import write_numbered
from deepattn.models import unique_variables
from deepattn.optimizers import Optimizer
from deepattn.train.anchor import Anchor
from deepattn.train.checkpointing.best import BestCheckpoints
from deepattn.train.checkpointing.files import TrainingFiles
from deepattn.train.low_rank import LowRank
from deepattn.train.monitoring.nan_guard import check_weights
from deepattn.train.task import Task
from deepattn.train.task_runner import TaskRunner
from deepattn.train.weight_average import WeightAverage
from deepattn.train.weight_source import WeightSource

log = logging.getLogger(__name__)


class Saver:
    """Writes checkpoints of one training.

    Args:
        tasks: The tasks, with their models.
        runners: Their runners, whose places in the data a checkpoint has.
        optimizer: The optimizer.
        config: The complete configuration, stored with every checkpoint.
        files: Where the checkpoints are.
        min_nbor_dist: Shortest distance in the training data, Å, or None.
        average: The moving average of the weights, if one is kept.
        anchor: The pull of the weights towards the start, if there is one.
        low_rank: The updates of low rank, if the weights get such.
        best: The best checkpoints of each full validation, by its name.
        chief: Whether this process writes the files; with several workers one does.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        runners: Sequence[TaskRunner],
        optimizer: Optimizer,
        config: Config | MultiTaskConfig,
        files: TrainingFiles,
        *,
        min_nbor_dist: float | None,
        average: WeightAverage | None = None,
        anchor: Anchor | None = None,
        low_rank: LowRank | None = None,
        best: Mapping[str, BestCheckpoints] | None = None,
        chief: bool = True,
    ) -> None:
        self.tasks = tasks
        self.runners = runners
        self.optimizer = optimizer
        self.config = config
        self.files = files
        self.min_nbor_dist = min_nbor_dist
        self.average = average
        self.anchor = anchor
        self.low_rank = low_rank
        self.best = dict(best or {})
        self.chief = chief
        self.last: Path | None = None

    def save(self, step: int) -> None:
        """Write the checkpoint of a step.

        Args:
            step: Updates done.

        Raises:
            NonFiniteError: A weight is not finite; nothing is written then.
            OSError: The file cannot be written; older checkpoints stay as they are.
        """
        arrays, header = self._content(step)
        if not self.chief:
            return
        prefix, average = self.files.prefix, self.files.average
        os.makedirs(prefix.parent, exist_ok=True)
        # Before the checkpoint to which it belongs: a run resumed from that has both.
        if average is not None:
            write_numbered(average.prefix, step, self._averaged(), header, keep=average.keep)
        self.last = write_checkpoint(str(prefix), step, arrays, header, keep=self.files.keep)
        for best in self.best.values():
            best.commit()

    def save_as(self, path: Path, step: int, *, averaged: bool = False) -> None:
        """Write the checkpoint of a step under another name, apart from the list of the latest.

        Args:
            path: The file.
            step: Updates done.
            averaged: Whether it is that of the averages, without the state of the optimizer.

        Raises:
            NonFiniteError: A weight is not finite; nothing is written then.
        """
        arrays, header = self._content(step)
        if self.chief:
            os.makedirs(path.parent, exist_ok=True)
            write_arrays(path, self._averaged() if averaged else arrays, header)

    def _content(self, step: int) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and header of a checkpoint."""
        weights = self.weights()
        check_weights(weights, step=step, advice=self.advice())
        state = self.optimizer.get_arrays(moved_variables(self.tasks, self.low_rank))
        averages = {} if self.average is None else self.average.arrays()
        factors = {} if self.low_rank is None else self.low_rank.arrays()
        arrays = {WEIGHTS + name: array for name, array in weights.items()}
        arrays |= {OPTIMIZER + name: array for name, array in state.items()}
        arrays |= {AVERAGE + name: array for name, array in averages.items()}
        arrays |= {LOW_RANK + name: array for name, array in factors.items()}
        arrays |= {} if self.anchor is None else self.anchor.arrays()
        header = {
            "config": self.config.to_dict(),
            "interface_dtype": self.tasks[0].model.interface_dtype,
            "min_nbor_dist": self.min_nbor_dist,
            "step": step,
            **_by_task(self.runners),
            **{name: best.state() for name, best in self.best.items()},
        }
        return arrays, header

    def _averaged(self) -> dict[str, np.ndarray]:
        """The arrays of a checkpoint of the averages."""
        if self.average is None:
            raise ValueError("no average of the weights is kept")
        with self.average.applied():
            return {WEIGHTS + name: array for name, array in self.weights().items()}

    def weights(self) -> dict[str, np.ndarray]:
        """All weights by name; what tasks share is one array under several names."""
        values: dict[int, np.ndarray] = {}
        weights = {}
        for task in self.tasks:
            for name, variable in task.model.named_variables().items():
                if id(variable) not in values:
                    values[id(variable)] = variable.numpy()
                weights[task.prefix + name] = values[id(variable)]
        return weights

    def advice(self) -> str:
        """Advice on how to resume after a failure."""
        if self.last is None:
            return "no checkpoint has been written yet; start again"
        return f"resume from {self.last}, which is good,"


def all_variables(tasks: Sequence[Task]) -> dict[str, keras.Variable]:
    """Every variable of the tasks once, by name."""
    return unique_variables({task.prefix: task.model for task in tasks})


def moved_variables(tasks: Sequence[Task], low_rank: LowRank | None) -> dict[str, keras.Variable]:
    """What the optimizer may have a state for, by name: all weights, and factors of matrices."""
    factors = {} if low_rank is None else low_rank.factors()
    return all_variables(tasks) | {LOW_RANK + name: factor for name, factor in factors.items()}


def state_of(header: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The positions in the data of a task, from a header."""
    keys = ("sampler", "validation_sampler")
    return {key: header[key][name] if name else header[key] for key in keys}


def _by_task(runners: Sequence[TaskRunner]) -> dict[str, Any]:
    states = {runner.name: runner.state() for runner in runners}
    if "" in states:
        return states[""]
    keys = ("sampler", "validation_sampler")
    return {key: {name: state[key] for name, state in states.items()} for key in keys}


def restore_optimizer(
    optimizer: Optimizer, names: Mapping[str, keras.Variable], start: WeightSource, *, kind: str
) -> None:
    """Set an optimizer to the state in a checkpoint.

    Weights that were not trained before and are now get fresh moments. Only a restart takes over
    the number of updates; without one, the state of another kind of optimizer is left behind, and
    a checkpoint of averages, which has none, is one to start from.

    Args:
        optimizer: Built on the trainable weights.
        names: The weights by name.
        start: The checkpoint.
        kind: Type of the optimizer in the input.

    Raises:
        ModelFileError: The checkpoint lacks the state of the optimizer, or is to be resumed with
            another kind.
    """
    path, restart = start.path, start.mode == "restart"
    stored = start.header["config"].get("optimizer", {}).get("type", kind)
    if stored != kind and restart:
        raise ModelFileError(
            f"{path}: was trained with the optimizer {stored}, but the input has {kind}; use "
            "the same optimizer/type, or start a new training with --init-model."
        )
    if stored != kind:
        log.info("%s: was trained with %s, so %s starts without its state", path, stored, kind)
        return
    if not restart and not start.optimizer:
        log.info("%s: has no state of the optimizer, so %s starts afresh", path, kind)
        return
    state: dict[str, Any] = dict(optimizer.get_arrays(names))
    for name in optimizer.indispensable:
        if name not in start.optimizer:
            raise ModelFileError(f"{path}: contains no optimizer state ({name} is missing).")
    state.update({name: start.optimizer[name] for name in state if name in start.optimizer})
    if not restart:
        state["iteration"] = 0
    optimizer.set_arrays(names, state)
