"""The training loop: steps, evaluations, the learning curve, checkpoints."""

import datetime
import logging
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deepattn.config import TrainingConfig
from deepattn.data.sampler import Sampler
from deepattn.models import EnergyModel
from deepattn.train.batches import Batches, atoms_per_frame, signature
from deepattn.train.clock import Clock
from deepattn.train.distribution import Distribution
from deepattn.train.interrupt import stop_on_signals
from deepattn.train.learning_curve import LearningCurve, average, batch_line, time_line
from deepattn.train.nan_guard import check_figures
from deepattn.train.profiling import profiled, traced
from deepattn.train.progress import progress_line
from deepattn.train.tensorboard import TensorBoardWriter

log = logging.getLogger(__name__)


class TrainingLoop:
    """Drives the compiled train step of a model from one step to another.

    Args:
        model: compiled model with a built optimizer.
        batches: training data.
        distribution: the replicas that train together.
        validation: sampler of the validation data, or None.
        numb_btch: validation batches of an evaluation.
        training: the ``training`` section.
        save: called with the step to write a checkpoint.
        advice: gives, in words, the checkpoint to go on from after a failure.
        append: whether the learning curve of an earlier run is continued.
        callbacks: Keras callbacks; an interval between two display steps is an epoch to them.
    """

    def __init__(
        self,
        model: EnergyModel,
        batches: Batches,
        *,
        distribution: Distribution,
        validation: Sampler | None,
        numb_btch: int,
        training: TrainingConfig,
        save: Callable[[int], None],
        advice: Callable[[], str],
        append: bool,
        callbacks: Sequence[keras.callbacks.Callback] = (),
    ) -> None:
        self.model = model
        self.batches = batches
        self.distribution = distribution
        self.validation = validation
        self.numb_btch = numb_btch
        self.training = distribution.own_part(training)
        self.save = save
        self.advice = advice
        self.append = append
        self.callbacks = keras.callbacks.CallbackList(list(callbacks), model=model)
        # A fixed signature: batches of another shape must not be traced again. The code has no
        # Python branches on tensors, and looking for them would double the time of tracing.
        spec, traced_once = batches.element_spec, partial(tf.function, autograph=False)
        train_step = distribution.replicate(model.train_step)
        self._train_step = traced_once(train_step, input_signature=[spec])
        self._test_step = traced_once(model.test_step, input_signature=[spec[0]])
        inputs, _ = signature(batches.data)
        self._prepare = traced_once(model.prepare, input_signature=[inputs])
        self._names = model.energy_loss.metric_names
        self._curve: LearningCurve | None = None
        self._events: TensorBoardWriter | None = None
        self._saved_at: int | None = None

    def run(self, start: int, stop: int) -> None:
        """Train from step ``start`` to step ``stop``.

        A checkpoint is written every ``save_freq`` steps, at the end, and on SIGINT or SIGTERM.

        Raises:
            NonFiniteError: a loss or weight is not finite; no checkpoint is written then.
            KeyboardInterrupt: after SIGINT, once the checkpoint is written.
            SystemExit: after SIGTERM, likewise.
        """
        training = self.training
        self.model.stop_training = False
        if training.disp_training:
            self._curve = LearningCurve(training.disp_file, append=self.append)
        if training.tensorboard:
            self._events = TensorBoardWriter(training.tensorboard_log_dir)
        clock = Clock(start, stop, training.disp_freq)
        self.callbacks.on_train_begin()
        try:
            with (
                stop_on_signals() as request,
                progress_line(start, stop, shown=self.distribution.chief) as advance,
                profiled(training.tensorboard_log_dir, wanted=training.enable_profiler),
            ):
                step = start
                stopped = self.distribution.any_signal(request.signal or 0)
                while step < stop and not stopped and not self.model.stop_training:
                    last = training.profiling and step == stop - 1
                    with traced(training.profiling_file, wanted=last):
                        step = self._step(step, start, clock, advance)
                    stopped = self.distribution.any_signal(request.signal or 0)
                if step != self._saved_at:
                    self._save(step)
                stopped = self.distribution.any_signal(request.signal or 0)
                if stopped:
                    log.info("stopped by a signal at step %d", step)
                    request.signal = signal.Signals(stopped)
                    request.leave()
        finally:
            if self._curve is not None:
                self._curve.close()
            if self._events is not None:
                self._events.close()
        self.callbacks.on_train_end()
        if training.time_training:
            clock.report()

    def evaluate(
        self, batches: Iterable[tuple[Any, Any]], *, everyones: bool = False
    ) -> dict[str, float]:
        """Figures of the loss, averaged over prepared batches as the learning curve shows them.

        Args:
            batches: batches of this process.
            everyones: average over those of all processes; by default all have the same.
        """
        rows = []
        for inputs, labels in batches:
            figures = self._figures(self._test_step((inputs, labels)))
            rows.append([*figures.values(), atoms_per_frame(inputs)])
        if everyones:
            rows = self.distribution.gather(np.array(rows))
        return average((dict(zip(self._names, row, strict=False)), row[-1]) for row in rows)

    def _step(self, step: int, start: int, clock: Clock, advance: Callable) -> int:
        training = self.training
        batch = next(self.batches)
        if step == start:
            self._display(step, batch, keep_place=start > 0)
            self.callbacks.on_epoch_begin(step // training.disp_freq)
            clock.interval()
        self.callbacks.on_train_batch_begin(step)
        with clock:
            try:
                results = self.distribution.call(self._train_step, batch)
                figures = self._mean(map(self._figures, results))
            except tf.errors.ResourceExhaustedError as error:
                raise MemoryError from error
        check_figures(
            figures, batch[0][1], step=step, origin=self.batches.origin(), advice=self.advice()
        )
        self.callbacks.on_train_batch_end(step, figures)
        if self._events is not None and step % training.tensorboard_freq == 0:
            self._events.train(step, figures)
        step += 1
        advance(step, figures["rmse"])
        if step % training.disp_freq == 0:
            logs = self._display(step, batch)
            self.callbacks.on_epoch_end(step // training.disp_freq - 1, logs)
            self.callbacks.on_epoch_begin(step // training.disp_freq)
            if training.time_training and training.disp_training:
                log.info(time_line(step, *clock.lap(step), datetime.datetime.now()))
        if step % training.save_freq == 0:
            self._save(step)
        return step

    def _display(self, step: int, batch: Any, *, keep_place: bool = False) -> dict[str, float]:
        """Evaluate, log, and add a line to the learning curve.

        With ``keep_place`` the validation data stay where they are: a restart shows where it
        stands without shifting what an uninterrupted run would have seen.
        """
        if self._curve is None:
            return {}
        self.callbacks.on_test_begin()
        train = self.evaluate(batch, everyones=True)
        valid = None
        if self.validation is not None:
            place = self.validation.state()
            drawn = (next(self.validation) for _ in range(self.numb_btch))
            # Batch after batch: neighbourhoods of all at once would need much memory.
            valid = self.evaluate((self._prepare(inputs), labels) for inputs, labels in drawn)
            if keep_place:
                self.validation.restore(place)
        rate = float(self.model.optimizer.learning_rate)
        self._curve.write(step, train, valid, rate)
        log.info(batch_line(step, "trn", train, rate))
        logs = dict(train)
        if valid is not None:
            log.info(batch_line(step, "val", valid))
            logs.update({f"val_{name}": value for name, value in valid.items()})
        if self._events is not None:
            if valid is not None:
                self._events.test(step, valid)
            self._events.weights(step, self.model.get_arrays())
        self.callbacks.on_test_end(logs)
        return logs

    def _save(self, step: int) -> None:
        self.save(step)
        self._saved_at = step
        log.info("saved checkpoint %s", self.training.save_ckpt)

    def _mean(self, results: Iterable[Mapping[str, float]]) -> dict[str, float]:
        """Means over all replicas, of which these are the figures of this process's."""
        rows = np.array([[*figures.values()] for figures in results])
        means = self.distribution.gather(rows).mean(axis=0)
        return dict(zip(self._names, means.tolist(), strict=True))

    def _figures(self, results: Mapping[str, tf.Tensor]) -> dict[str, float]:
        return {name: float(results[name]) for name in self._names}
