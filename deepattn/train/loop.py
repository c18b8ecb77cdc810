"""The training loop: steps, evaluations, the learning curve, checkpoints."""

import datetime
import logging
import signal
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from deepattn.config import TrainingConfig
from deepattn.config.loss import TOTAL
from deepattn.models import AtomicModel
from deepattn.train.batches import Drawn
from deepattn.train.checkpointing.saver import Saver
from deepattn.train.distributed.strategy import Distribution
from deepattn.train.full_validation import FullValidation
from deepattn.train.interrupt import stop_on_signals
from deepattn.train.monitoring.clock import Clock
from deepattn.train.monitoring.learning_curve import (
    LearningCurve,
    batch_line,
    short_lines,
    time_line,
)
from deepattn.train.monitoring.nan_guard import check_metrics
from deepattn.train.monitoring.profiling import profiled, traced
from deepattn.train.monitoring.progress import progress_line
from deepattn.train.monitoring.tensorboard import TensorBoardWriter
from deepattn.train.task_runner import TaskRunner
from deepattn.train.weight_average import WeightAverage

log = logging.getLogger(__name__)

_EXHAUSTED = "the full validations had no lower error for as long as validating/patience allows"


class TrainingLoop:
    """Drives the compiled train steps of the tasks from one step to another.

    Args:
        runners: Those of all tasks.
        choose: Gives the number of the runner that a step trains.
        model: A model compiled with the optimizer; callbacks see it.
        distribution: The replicas that train together.
        training: The ``training`` section.
        saver: Writes the checkpoints.
        average: The moving average of the weights, if one is kept.
        validations: The full validations.
        resumed: Whether the learning curve of an earlier run is continued.
        callbacks: Keras callbacks; an interval between two display steps is an epoch to them.
    """

    def __init__(
        self,
        runners: Sequence[TaskRunner],
        choose: Callable[[int], int],
        *,
        model: AtomicModel,
        distribution: Distribution,
        training: TrainingConfig,
        saver: Saver,
        average: WeightAverage | None = None,
        validations: Sequence[FullValidation] = (),
        resumed: bool,
        callbacks: Sequence[keras.callbacks.Callback] = (),
    ) -> None:
        self.runners = runners
        self.choose = choose
        self.model = model
        self.distribution = distribution
        self.training = distribution.own_part(training)
        self.saver = saver
        self.average = average
        self.validations = validations
        self.resumed = resumed
        self.callbacks = keras.callbacks.CallbackList(list(callbacks), model=model)
        self._curve: LearningCurve | None = None
        self._events: TensorBoardWriter | None = None
        self._saved_at: int | None = None

    def run(self, start: int, stop: int) -> int:
        """Train from step ``start`` to step ``stop``.

        A checkpoint is written every ``save_freq`` steps, at the end, and on SIGINT or SIGTERM.

        Returns:
            The step reached, which is an earlier one if a callback or the full validations have
            stopped the training.

        Raises:
            NonFiniteError: A loss or weight is not finite; no checkpoint is written then.
            KeyboardInterrupt: After SIGINT, once the checkpoint is written.
            SystemExit: After SIGTERM, likewise.
        """
        training = self.training
        # As a resumed run that has stopped early before.
        self.model.stop_training = self._is_exhausted()
        if self.model.stop_training:
            log.info("no more steps: %s; raise validating/patience to train on", _EXHAUSTED)
        if training.disp_training:
            after = start if self.resumed else None
            self._curve = LearningCurve(training.disp_file, after=after)
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
        return step

    def _step(self, step: int, start: int, clock: Clock, advance: Callable) -> int:
        training = self.training
        runner = self.runners[self.choose(step)]
        if step == start:
            self._display(step, runner, runner.batches.coming(), again=self.resumed)
            self.callbacks.on_epoch_begin(step // training.disp_freq)
            clock.interval()
        self.callbacks.on_train_batch_begin(step)
        with clock:
            try:
                values = runner.train()
            except tf.errors.ResourceExhaustedError as error:
                raise MemoryError from error
        check_metrics(
            values,
            runner.batches.used(),
            runner.metrics,
            step=step,
            advice=self.saver.advice(),
        )
        if self.average is not None:
            self.average.update()
        self.callbacks.on_train_batch_end(step, values)
        if self._events is not None and step % training.tensorboard_freq == 0:
            self._events.train(step, values, runner.metrics, task=runner.name)
        step += 1
        advance(step, values[TOTAL.name])
        if step % training.disp_freq == 0:
            logs = self._display(step, runner, runner.batches.used())
            self.callbacks.on_epoch_end(step // training.disp_freq - 1, logs)
            self.callbacks.on_epoch_begin(step // training.disp_freq)
            if training.time_training and training.disp_training:
                line = time_line(step, *clock.lap(step), datetime.datetime.now())
                log.info(line, extra={"short": ""})
        for validation in self.validations:
            validation.run(step)
        if self._is_exhausted():
            log.info("step %d: %s", step, _EXHAUSTED)
            self.model.stop_training = True
        if step % training.save_freq == 0:
            self._save(step)
        return step

    def _is_exhausted(self) -> bool:
        """Whether no full validation expects a lower error (early stopping)."""
        return bool(self.validations) and all(v.exhausted for v in self.validations)

    def _display(
        self, step: int, trained: TaskRunner, drawn: Drawn, *, again: bool = False
    ) -> dict[str, float]:
        """Evaluate, log, and add a line to the learning curve.

        Branches other than the one just drawn show the batch that they train on next. With
        ``again`` a restart logs where it stands: the validation data stay where they are, and
        nothing is written, so that files and numbers are those of an uninterrupted run.
        """
        if self._curve is None:
            return {}
        self.callbacks.on_test_begin()
        shown = [
            runner.show(drawn if runner is trained else runner.batches.coming(), keep_place=again)
            for runner in self.runners
        ]
        rate = float(self.model.optimizer.learning_rate)
        events = None if again else self._events
        if not again:
            self._curve.write(step, shown, rate)
        logs: dict[str, float] = {}
        # A terminal shows the short lines in the place of those of files and pipes.
        for one, short in zip(shown, short_lines(step, shown, rate), strict=True):
            title = f"{one.name}_" if one.name else ""
            log.info(batch_line(step, f"{title}trn", one.train, rate), extra={"short": short})
            logs |= {f"{name}{one.ending}": value for name, value in one.train.items()}
            if one.valid is None:
                continue
            log.info(batch_line(step, f"{title}val", one.valid), extra={"short": ""})
            logs |= {f"val_{name}{one.ending}": value for name, value in one.valid.items()}
            if events is not None:
                events.test(step, one.valid, one.metrics, task=one.name)
        if events is not None:
            events.weights(step, self.saver.weights())
        self.callbacks.on_test_end(logs)
        return logs

    def _save(self, step: int) -> None:
        self.saver.save(step)
        self._saved_at = step
        log.info("saved checkpoint %s", self.training.save_ckpt)
