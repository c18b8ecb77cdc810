"""The compiled steps of one task, with the positions in its data."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property, partial
from typing import Any

import numpy as np
import tensorflow as tf

from deepattn.data import Batch, DataSet
from deepattn.train.batches import Batches, Drawn, atoms_per_frame, signature
from deepattn.train.distributed.strategy import Distribution
from deepattn.train.monitoring.learning_curve import Shown, average
from deepattn.train.task import Task

log = logging.getLogger(__name__)


class TaskRunner:
    """Runs the compiled steps of a task for the training loop.

    Args:
        task: The task, whose model is compiled with a built optimizer.
        distribution: The replicas that train together.
        state: Positions of an earlier run in the data, as returned by `state`.

    Attributes:
        name: Name of the task.
        batches: Its training data.
        metrics: Metrics of its loss, without the total.
    """

    def __init__(
        self,
        task: Task,
        *,
        distribution: Distribution,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        state = state or {}
        self.name = task.name
        self.distribution = distribution
        _resume(task.data, state.get("sampler"), f"training data {task.name}".rstrip())
        self.batches = Batches(task.data, task.model.prepare, distribution=distribution)
        self._validation, self._numb_btch = None, 0
        section = task.config.training.validation_data
        if task.validation_data is not None and section is not None:
            self._validation = task.validation_data.sampler
            self._numb_btch = section.numb_btch
            place = state.get("validation_sampler")
            _resume(task.validation_data, place, f"validation data {task.name}".rstrip())
        self._model = task.model
        self._test_step = self._traced(task.model.test_step_metrics, self.batches.element_spec[0])
        self._prepare = self._traced(task.model.prepare, signature(task.data).inputs)
        self.metrics = task.loss.metrics
        self._names = task.loss.metric_names

    @staticmethod
    def _traced(function: Callable, argument: Any) -> Any:
        """A compiled function of one argument.

        A fixed signature: batches of another shape must not be traced again. The code has no Python
        branches on tensors, and looking for them would double the time of tracing. Partials,
        because TensorFlow counts tracings by code, and warns of five, one per task.
        """
        return tf.function(partial(function), autograph=False, input_signature=[argument])

    @cached_property
    def _train_step(self) -> Callable:
        """A step on the next item of an iterator; the metrics are ``[local replicas, metrics]``."""
        step = self.distribution.replicate(self._model.train_step_metrics)

        def train_step(items: tf.data.Iterator) -> tf.Tensor:
            rows = [
                tf.stack([tf.cast(values[name], tf.float64) for name in self._names])
                for values in step(items.get_next())
            ]
            return tf.stack(rows)

        items = tf.data.IteratorSpec(self.batches.element_spec)
        # Called as it is: to look for the right trace takes a tenth of the step of a small cell.
        return self._traced(train_step, items).get_concrete_function()

    def train(self) -> dict[str, float]:
        """Update the weights on the next item of `batches`.

        Returns:
            The metrics before the update, means over all replicas.
        """
        with self.batches.taken() as items:
            rows = self.distribution.call(self._train_step, items).numpy()
        means = self.distribution.gather(rows).mean(axis=0)
        return dict(zip(self._names, means.tolist(), strict=True))

    def evaluate(self, batches: Iterable[Batch], *, everyones: bool = False) -> dict[str, float]:
        """Metrics of the loss, averaged over prepared batches as the learning curve shows them.

        Args:
            batches: Batches of this process.
            everyones: Average over those of all processes; by default all have the same.
        """
        rows: list[list[float]] = []
        for batch in batches:
            values = self._test_step(batch)
            metrics = (float(values[name]) for name in self._names)
            rows.append([*metrics, atoms_per_frame(batch.inputs)])
        if everyones:
            rows = self.distribution.gather(np.array(rows)).tolist()
        return average((dict(zip(self._names, row, strict=False)), row[-1]) for row in rows)

    def show(self, drawn: Drawn, *, keep_place: bool) -> Shown:
        """Metrics of an item of `batches` and of the validation data.

        With ``keep_place`` the validation data stay where they are.
        """
        valid = None
        train = self.evaluate(self._prepared(drawn.read()), everyones=True)
        if self._validation is not None:
            place = self._validation.state()
            batches = (next(self._validation) for _ in range(self._numb_btch))
            valid = self.evaluate(self._prepared(batches))
            if keep_place:
                self._validation.restore(place)
        return Shown(self.name, train, valid, self.metrics)

    def _prepared(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Batch after batch: neighborhoods of all at once would need much memory."""
        return (Batch(self._prepare(inputs), labels) for inputs, labels in batches)

    def state(self) -> dict[str, Any]:
        """Where the next batches start; JSON-able."""
        validation = None if self._validation is None else self._validation.state()
        return {"sampler": self.batches.state(), "validation_sampler": validation}


def _resume(data: DataSet, state: Mapping[str, Any] | None, title: str) -> None:
    """Restore the position of an earlier run in a data set, and log whether it succeeded."""
    if state is None:
        return
    if not data.sampler.restore(dict(state)):
        log.warning(
            "%s: the numbers of frames differ from the checkpoint's, so the order of frames "
            "restarts",
            title,
        )
    else:
        log.info("%s: the order of frames continues from the checkpoint", title)
