"""One training on several devices and machines, by TensorFlow's own strategies.

A *worker* is a process, and a *replica* is a device of one: each replica takes an equal part of
every batch, and the gradients are added up before a step. All workers do the same at the same time;
what is to be done once is done by the first of them, the chief, and sent to the others.
"""

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deepattn.config import TrainingConfig
from deepattn.errors import DistributionError

# Exceptions of TensorFlow when a worker is gone.
_GONE = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError)
_TASK = re.compile(r"/job:(\w+)/(?:replica:\d+/)?task:(\d+)")


class Distribution:
    """The workers of a training, and the communication between them.

    Every method but `scope` is to be called by all workers, in the same order.

    Args:
        strategy: By default the one in whose scope this is made, if any.

    Attributes:
        strategy: The strategy.
        workers: Number of processes.
        replicas: Number of devices of all processes together.
        local: Number of devices of this process.
        chief: Whether this process writes the files and the log.
    """

    def __init__(self, strategy: tf.distribute.Strategy | None = None) -> None:
        self.strategy = strategy or tf.distribute.get_strategy()
        self.replicas = self.strategy.num_replicas_in_sync
        self._worker, self.workers = _place(self.strategy)
        self.local = self.replicas // self.workers
        self.chief = self._worker == 0
        self._add_up: Callable | None = None

    @property
    def places(self) -> range:
        """Numbers of this process's replicas among all."""
        return range(self._worker * self.local, (self._worker + 1) * self.local)

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Variables made in the block are kept equal on all replicas."""
        with _named(self._worker), self.strategy.scope():
            yield

    def replicate(self, step: Callable[[Any], Mapping[str, tf.Tensor]]) -> Callable:
        """A function of the batches of this process, one a replica, that runs a step on each.

        Args:
            step: Of one batch.

        Returns:
            A function to trace, of a tuple of batches; it returns a tuple of results.
        """

        def everywhere(batches: Sequence[Any]) -> Sequence[Mapping[str, tf.Tensor]]:
            def on_replica() -> Mapping[str, tf.Tensor]:
                context = tf.distribute.get_replica_context()
                place = int(tf.get_static_value(context.replica_id_in_sync_group))
                return step(batches[place - self.places.start])

            return self.strategy.experimental_local_results(self.strategy.run(on_replica))

        return everywhere

    def call(self, function: Callable, *args: Any) -> Any:
        """Call what `replicate` gave, once it is traced.

        Raises:
            DistributionError: Another worker has stopped.
        """
        with _named(self._worker):
            return function(*args)

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """Rows ``[local, n]`` of each worker, one a replica, as ``[replicas, n]``."""
        if self.workers == 1:
            return rows
        everyone = np.zeros((self.replicas, rows.shape[1]))
        everyone[self.places.start : self.places.stop] = rows
        return self._sum(everyone.ravel()).reshape(everyone.shape)

    def any_signal(self, number: int) -> int:
        """The largest of the workers' numbers: a signal that one of them got, or 0."""
        return int(self.gather(np.full((self.local, 1), float(number))).max())

    def from_chief(self, compute: Callable[[], Any]) -> Any:
        """Result of `compute`, which only the chief calls; JSON-able."""
        if self.workers == 1:
            return compute()
        text = json.dumps(compute()).encode() if self.chief else b""
        length = int(self._sum(np.array([len(text)], np.float64))[0])
        padded = np.zeros(length)
        padded[: len(text)] = np.frombuffer(text, np.uint8)
        return json.loads(self._sum(padded).astype(np.uint8).tobytes())

    def copy_from_chief(self, variables: Iterable[keras.Variable]) -> None:
        """Set variables to what they are on the chief."""
        if self.workers == 1:
            return
        variables = list(variables)
        arrays = [np.asarray(variable.numpy()) for variable in variables]
        flat = np.concatenate([array.ravel().astype(np.float64) for array in arrays])
        flat = self._sum(flat if self.chief else np.zeros_like(flat))
        ends = np.cumsum([array.size for array in arrays])
        for variable, array, part in zip(variables, arrays, np.split(flat, ends[:-1]), strict=True):
            variable.assign(part.reshape(array.shape).astype(array.dtype))

    def wait_for_all(self) -> None:
        """Return when all workers have come here."""
        self.gather(np.zeros((self.local, 1)))

    def own_part(self, training: TrainingConfig) -> TrainingConfig:
        """The section as this process is to follow it: only the chief writes files."""
        if self.chief:
            return training
        return replace(
            training,
            disp_file=os.devnull,
            tensorboard=False,
            profiling=False,
            enable_profiler=False,
        )

    def _sum(self, vector: np.ndarray) -> np.ndarray:
        """The sum of the workers' vectors, on each of them."""
        if self._add_up is None:
            self._add_up = tf.function(
                self._summed, input_signature=[tf.TensorSpec([None], tf.float64)], autograph=False
            )
        with _named(self._worker):
            return np.asarray(self._add_up(vector))

    def _summed(self, vector: tf.Tensor) -> tf.Tensor:
        def on_replica() -> tf.Tensor:
            context = tf.distribute.get_replica_context()
            place = int(tf.get_static_value(context.replica_id_in_sync_group))
            share = 1.0 if place == self.places.start else 0.0
            return context.all_reduce(tf.distribute.ReduceOp.SUM, vector * share)

        return self.strategy.experimental_local_results(self.strategy.run(on_replica))[0]


def _place(strategy: tf.distribute.Strategy) -> tuple[int, int]:
    """Number of this process, and how many there are."""
    resolver = strategy.cluster_resolver
    tasks = {} if resolver is None else resolver.cluster_spec().as_dict()
    if not tasks:
        return 0, 1
    before = len(tasks.get("chief", ())) if resolver.task_type == "worker" else 0
    return before + resolver.task_id, sum(map(len, tasks.values()))


@contextmanager
def _named(worker: int) -> Iterator[None]:
    """Turn what TensorFlow raises when a worker has stopped into a sentence."""
    try:
        yield
    except _GONE as error:
        jobs = [match for match in _TASK.findall(error.message)]
        who = f"{jobs[0][0]} {jobs[0][1]}" if jobs else "another worker"
        raise DistributionError(
            f"{who} of the training has stopped, so this one (worker {worker}) stops too; "
            "see its output, and resume from the latest checkpoint with --restart."
        ) from None
