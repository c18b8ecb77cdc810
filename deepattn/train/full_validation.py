"""Full validations: the errors on all validation data at intervals, and the best checkpoints."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

from deepattn.config import ValidatingConfig
from deepattn.infer.statistics import Errors
from deepattn.train.checkpointing.best import BestCheckpoints
from deepattn.train.checkpointing.files import AVERAGED, TrainingFiles, ValidationFiles
from deepattn.train.checkpointing.saver import Saver
from deepattn.train.distributed.strategy import Distribution
from deepattn.train.evaluation import Evaluation
from deepattn.train.monitoring.nan_guard import NonFiniteError
from deepattn.train.monitoring.validation_log import ValidationLog, in_milli
from deepattn.train.task import Task
from deepattn.train.weight_source import WeightSource

log = logging.getLogger(__name__)


class Schedule(NamedTuple):
    """The steps after which there is a full validation.

    Attributes:
        first: The step that they are counted from.
        interval: Steps between two.
    """

    first: int
    interval: int

    def includes(self, step: int) -> bool:
        """Whether there is one after a number of updates."""
        return step >= self.first and (step - self.first) % self.interval == 0


class FullValidation:
    """Evaluates a model at intervals, logs the errors and keeps the best checkpoints.

    Args:
        section: The section ``validating``.
        schedule: When.
        evaluate: Gives the errors of the model as it is.
        best: The best checkpoints so far.
        errors_log: Where the errors are written; None in a process that writes no files.
        saver: Writes the checkpoints.
        distribution: The workers; the chief evaluates.
        averaged: Whether the checkpoints are those of the averages of the weights.
    """

    def __init__(
        self,
        section: ValidatingConfig,
        schedule: Schedule,
        *,
        evaluate: Callable[[], Errors],
        best: BestCheckpoints,
        errors_log: ValidationLog | None,
        saver: Saver,
        distribution: Distribution,
        averaged: bool = False,
    ) -> None:
        self._section = section
        self._schedule = schedule
        self._evaluate = evaluate
        self._best = best
        self._log = errors_log
        self._saver = saver
        self._distribution = distribution
        self._averaged = averaged

    def run(self, step: int) -> None:
        """Validate, if it is time.

        Args:
            step: Updates done.

        Raises:
            NonFiniteError: The error that ranks checkpoints is not finite.
        """
        if not self._schedule.includes(step):
            return
        errors = self._distribution.from_chief(self._measure)
        section = self._section
        error = errors.get(section.error, math.nan)
        if not math.isfinite(error):
            raise NonFiniteError(
                f"the error {section.validation_metric} of the validation data is not finite at "
                f"step {step}; {self._saver.advice()} and try a smaller learning_rate/start_lr."
            )
        rank, saved = self._best.offer(step, error), None
        if rank is not None and section.save_best:
            saved = self._best.path(step, rank)
            self._saver.save_as(saved, step, averaged=self._averaged)
            self._best.arrange()
        if self._log is None:
            return
        self._log.write(step, errors)
        if saved is not None:
            metric, unit = section.validation_metric, section.quantity.unit
            self._log.add_best(saved, metric, error, unit)
            log.info("saved best checkpoint %s: %s %s %s", saved, metric, in_milli(error), unit)

    @property
    def exhausted(self) -> bool:
        """Whether the error has not fallen for as long as the input has patience."""
        patience = self._section.patience
        return patience is not None and self._best.waited >= patience

    def close(self) -> None:
        """Close the log."""
        if self._log is not None:
            self._log.close()

    def _measure(self) -> dict[str, float]:
        return {name: value for name, (value, _) in self._evaluate().items()}


def best_checkpoints(
    files: TrainingFiles, section: ValidatingConfig, start: WeightSource, *, chief: bool
) -> dict[str, BestCheckpoints]:
    """The best checkpoints of each full validation, by its name.

    Args:
        files: The files of the training.
        section: The section ``validating``.
        start: Where the training starts from.
        chief: Whether this process writes files.
    """
    resumed = start.mode == "restart"
    return {
        validation.name: BestCheckpoints(
            validation.best,
            metric=section.validation_metric,
            most=section.max_best_ckpt,
            state=start.header.get(validation.name) if resumed else None,
            written=chief,
        )
        for validation in files.validations
    }


def full_validations(
    task: Task,
    files: TrainingFiles,
    best: Mapping[str, BestCheckpoints],
    saver: Saver,
    distribution: Distribution,
) -> list[FullValidation]:
    """The full validations of a training.

    Args:
        task: Its task.
        files: Its files.
        best: The best checkpoints, as `best_checkpoints` gives them.
        saver: Writes the checkpoints.
        distribution: The workers.
    """
    section, steps = task.config.validating, task.config.training.steps
    first = section.first_step(steps)
    if first is None:
        if section.active:
            log.warning(
                "validating/full_val_start is %g, but the training has %d steps, so there is no "
                "full validation",
                section.full_val_start,
                steps,
            )
        return []
    after = task.start.step if task.start.mode == "restart" else None
    evaluate = Evaluation(task)

    def evaluate_average() -> Errors:
        if saver.average is None:
            raise ValueError("no average of the weights is kept")
        with saver.average.applied():
            return evaluate()

    def make(validation: ValidationFiles) -> FullValidation:
        averaged = validation.name == AVERAGED
        errors_log = None
        if distribution.chief:
            path = validation.log.path
            errors_log = ValidationLog(path, section.shown, steps=steps, after=after)
        return FullValidation(
            section,
            Schedule(first, section.validation_freq),
            evaluate=evaluate_average if averaged else evaluate,
            best=best[validation.name],
            errors_log=errors_log,
            saver=saver,
            distribution=distribution,
            averaged=averaged,
        )

    return [make(validation) for validation in files.validations]
