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
from deepattn.formats.checkpoint import OPTIMIZER, WEIGHTS, write_arrays, write_checkpoint
from deepattn.models import unique_variables
from deepattn.optimizers import Optimizer
from deepattn.train.checkpointing.best import BestCheckpoints
from deepattn.train.monitoring.nan_guard import check_weights
from deepattn.train.task import Task
from deepattn.train.task_runner import TaskRunner
from deepattn.train.weight_source import WeightSource

log = logging.getLogger(__name__)


class Saver:
    """Writes checkpoints of one training.

    Args:
        tasks: The tasks, with their models.
        runners: Their runners, whose places in the data a checkpoint has.
        optimizer: The optimizer.
        config: The complete configuration, stored with every checkpoint.
        min_nbor_dist: Shortest distance in the training data, Å, or None.
        best: The best checkpoints of each full validation, by the name of their state.
        chief: Whether this process writes the files; with several workers one does.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        runners: Sequence[TaskRunner],
        optimizer: Optimizer,
        config: Config | MultiTaskConfig,
        *,
        min_nbor_dist: float | None,
        best: Mapping[str, BestCheckpoints] | None = None,
        chief: bool = True,
    ) -> None:
        self.tasks = tasks
        self.runners = runners
        self.optimizer = optimizer
        self.config = config
        self.min_nbor_dist = min_nbor_dist
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
        training = self.tasks[0].config.training
        prefix = Path(training.save_ckpt)
        os.makedirs(prefix.parent, exist_ok=True)
        self.last = write_checkpoint(str(prefix), step, arrays, header, keep=training.max_ckpt_keep)
        for best in self.best.values():
            best.commit()

    def save_as(self, path: Path, step: int) -> None:
        """Write the checkpoint of a step under another name, apart from the list of the latest.

        Args:
            path: The file.
            step: Updates done.

        Raises:
            NonFiniteError: A weight is not finite; nothing is written then.
        """
        arrays, header = self._content(step)
        if self.chief:
            os.makedirs(path.parent, exist_ok=True)
            write_arrays(path, arrays, header)

    def _content(self, step: int) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and header of a checkpoint."""
        weights = self.weights()
        check_weights(weights, step=step, advice=self.advice())
        state = self.optimizer.get_arrays(all_variables(self.tasks))
        arrays = {WEIGHTS + name: array for name, array in weights.items()}
        arrays |= {OPTIMIZER + name: array for name, array in state.items()}
        header = {
            "config": self.config.to_dict(),
            "interface_dtype": self.tasks[0].model.interface_dtype,
            "min_nbor_dist": self.min_nbor_dist,
            "step": step,
            **_by_task(self.runners),
            **{name: best.state() for name, best in self.best.items()},
        }
        return arrays, header

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
    the number of updates; without one, the state of another kind of optimizer is left behind.

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
    state: dict[str, Any] = dict(optimizer.get_arrays(names))
    for name in optimizer.indispensable:
        if name not in start.optimizer:
            raise ModelFileError(f"{path}: contains no optimizer state ({name} is missing).")
    state.update({name: start.optimizer[name] for name in state if name in start.optimizer})
    if not restart:
        state["iteration"] = 0
    optimizer.set_arrays(names, state)
