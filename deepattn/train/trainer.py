"""A training from its configuration to its last checkpoint."""

import logging
import os
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import keras
import numpy as np

from deepattn.config import (
    Config,
    MultiTaskConfig,
    TrainingConfig,
    config_from_dict,
    section_differences,
)
from deepattn.data import DataSet
from deepattn.data.sampler import BRANCHES, choose
from deepattn.data.type_map import names_or_numbers
from deepattn.formats.weight_names import BIAS
from deepattn.losses import Loss
from deepattn.models import AtomicModel
from deepattn.statistics.energy_bias import change_by_statistic
from deepattn.train.build import (
    build_anchor,
    build_average,
    build_optimizer,
    build_schedule,
    build_task_models,
    check_accumulation,
    moved_weights,
)
from deepattn.train.checkpointing.backup import make_room, remove_leftovers
from deepattn.train.checkpointing.claim import Claim
from deepattn.train.checkpointing.files import TrainingFiles
from deepattn.train.checkpointing.saver import Saver, all_variables, state_of
from deepattn.train.distributed.strategy import Distribution
from deepattn.train.evaluation import check_metric
from deepattn.train.full_validation import best_checkpoints, full_validations
from deepattn.train.initialize.advice import advice, rate_advice, smoothness_advice
from deepattn.train.initialize.freeze import check_start, freeze_weights
from deepattn.train.initialize.weights import initialize_weights
from deepattn.train.log_header import program_lines, training_lines
from deepattn.train.loop import TrainingLoop
from deepattn.train.low_rank import build_low_rank
from deepattn.train.precision import check_mixed_precision, refuse_half_precision
from deepattn.train.resolve import resolve_with_data, resolve_with_files, shares, write_config
from deepattn.train.seeds import resolve_training_seed
from deepattn.train.task import (
    Task,
    log_summary,
    make_task_loss,
    make_tasks,
    open_old_data,
    open_training_data,
    open_validation_data,
)
from deepattn.train.task_runner import TaskRunner
from deepattn.train.weight_source import WeightSource

log = logging.getLogger(__name__)


class Trainer:
    """Prepares a training of one task or several; `train` runs it.

    The stages of the preparation, each a function of its own:

    1. `resolve_with_files`: settings from the files of the weights; seeds.
    2. `make_task_loss` and `open_training_data` of each task.
    3. `resolve_with_data`: the configuration with nothing left open, after the one pass over all
       data.
    4. `write_config`: ``out.json``.
    5. `open_validation_data` of each task.
    6. `build_task_models`, and `initialize_weights` from statistics or files.
    7. `build_schedule` and `build_optimizer`.

    On the CPU a run is reproducible: the same configuration with the same seeds gives the same
    numbers, and a run that was stopped and restarted gives those of one that was not.

    Args:
        config: Configuration; its ``sel`` may be automatic.
        start: Where the weights come from; for a multi-task input one for each task by name.
        output: File for the complete configuration (``out.json``); None writes none.
        skip_neighbor_stat: Do not read all data before the first step: no search for the shortest
            distance and the most neighbors, without which ``sel`` must be a number, and frames are
            checked when they are drawn.
        callbacks: Keras callbacks; an interval between two display steps is an epoch to them.
        distribution: The devices and machines to train on; by default those of the
            `tf.distribute.Strategy` in whose scope the trainer is made, if any.
        claim: A claim on the files of the training that is held already.

    Attributes:
        config: The configuration with nothing left open.
        tasks: The tasks with their models and data.
        min_nbor_dist: Shortest distance of two atoms in the training data, Å, or None.
        schedule: The schedule of the learning rate.
        optimizer: The optimizer of all models.
        saved: The latest checkpoint that `train` has written, or None.

    Raises:
        DeepattnError: Anything in the configuration, the data or the files that cannot work.
    """

    def __init__(
        self,
        config: Config | MultiTaskConfig,
        *,
        start: WeightSource | Mapping[str, WeightSource] | None = None,
        output: str | os.PathLike | None = None,
        skip_neighbor_stat: bool = False,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        distribution: Distribution | None = None,
        claim: Claim | None = None,
    ) -> None:
        refuse_half_precision()
        self.callbacks = callbacks
        self.distribution = distribution or Distribution()
        for line in program_lines(self.distribution):
            log.info("%s", line)
        check_accumulation(_first(config), self.distribution)
        for single in config.tasks.values():
            check_mixed_precision(single)
        given = start if isinstance(start, Mapping) else dict.fromkeys(config.tasks, start)
        sources = {name: given[name] or WeightSource() for name in config.tasks}
        # Common to all tasks: step, state of the optimizer, header.
        self.start = next(iter(sources.values()))
        check_start(_first(config), sources.values())
        self.saved: Path | None = None

        config = resolve_with_files(config, sources, self.distribution)
        by = "numb_epoch" if _first(config).training.numb_steps is None else "numb_steps"
        losses, data = self._open_training_data(config)
        self.config, self.min_nbor_dist = resolve_with_data(
            config, data, sources, self.distribution, search=not skip_neighbor_stat
        )
        self._files = TrainingFiles.of(_first(self.config))
        self._claim = claim or Claim(self._files, chief=self.distribution.chief)
        self._write_config(output)
        validation = {}
        for name, loss in losses.items():
            self._report_data(name, data[name], sources[name], length=by)
            validation[name] = self._open_validation_data(name, loss, check=not skip_neighbor_stat)
        first_loss = next(iter(losses.values()))
        old_data = open_old_data(_first(self.config), first_loss, self.start)
        self.schedule = build_schedule(_first(self.config), replicas=self.distribution.replicas)
        for line in rate_advice(_first(self.config).learning_rate):
            log.warning("%s", line)
        self.tasks = make_tasks(
            self.config,
            sources=sources,
            losses=losses,
            data=data,
            validation_data=validation,
            models=build_task_models(self.config, self.distribution),
        )
        self._initialize_weights()
        freeze_weights(self.tasks)
        self._low_rank = build_low_rank(self.tasks, self.distribution)
        self._anchor = build_anchor(self.tasks, self.distribution, old_data)
        self.optimizer = build_optimizer(
            self.tasks, self.schedule, self.distribution, self._low_rank
        )
        trained, _ = moved_weights(self.tasks, self._low_rank)
        for line in training_lines(self.tasks, trained):
            log.info("%s", line)

    @property
    def training(self) -> TrainingConfig:
        """The ``training`` section, whose length and files are those of all tasks."""
        return _first(self.config).training

    @property
    def model(self) -> AtomicModel:
        """The compiled model of a single task."""
        return self._only().model

    @property
    def loss(self) -> Loss:
        """The loss of a single task."""
        return self._only().loss

    @property
    def data(self) -> DataSet:
        """The training data of a single task."""
        return self._only().data

    @property
    def validation_data(self) -> DataSet | None:
        """The validation data of a single task, or None."""
        return self._only().validation_data

    def train(self) -> None:
        """Train to the last step, writing the files of the ``training`` section.

        The files of an earlier run in the same place are moved to a folder ``backup-1``, or the
        first free number, unless this is a restart of it.

        Raises:
            NonFiniteError: The training has diverged.
            BusyError: Another training is writing the same files.
            KeyboardInterrupt: After Ctrl-C, once a checkpoint is written.
        """
        with self._claim:
            self._train()

    def _train(self) -> None:
        began = time.monotonic()
        training = self.training
        if self._is_done():
            if self.distribution.chief:
                remove_leftovers(self._files, self.start)
            return
        if self.distribution.chief:
            make_room(self._files, self.start, output=self._output, content=self._earlier_output)
        restarted = self.start.mode == "restart"
        runners = [
            TaskRunner(
                task,
                distribution=self.distribution,
                state=state_of(self.start.header, task.name) if restarted else None,
            )
            for task in self.tasks
        ]
        validating, chief = _first(self.config).validating, self.distribution.chief
        best = best_checkpoints(self._files, validating, self.start, chief=chief)
        average = build_average(self.tasks)
        saver = Saver(
            self.tasks,
            runners,
            self.optimizer,
            self.config,
            self._files,
            min_nbor_dist=self.min_nbor_dist,
            average=average,
            anchor=self._anchor,
            low_rank=self._low_rank,
            best=best,
            chief=chief,
        )
        validations = full_validations(self.tasks[0], self._files, best, saver, self.distribution)
        bounds = np.cumsum([task.weight for task in self.tasks])
        _, seed = resolve_training_seed(_first(self.config))
        loop = TrainingLoop(
            runners,
            partial(choose, bounds, seed % 2**64, BRANCHES),
            model=self.tasks[0].model,
            distribution=self.distribution,
            training=training,
            saver=saver,
            average=average,
            validations=validations,
            resumed=restarted,
            callbacks=self.callbacks,
        )
        first, last = self.start.step, training.steps
        log.info(
            "start training at lr %.2e (== %.2e), final lr will be %.2e",
            float(self.optimizer.learning_rate),
            self.schedule.value(first),
            self.schedule.value(last),
        )
        try:
            step = loop.run(first, last)
            if training.change_bias_after_training:
                for task in self.tasks:
                    self._change_bias(task)
                saver.save(step)
            self.distribution.wait_for_all()
        finally:
            self.saved = saver.last
            for runner in runners:
                runner.batches.close()
            for validation in validations:
                validation.close()
        log.info("finished training")
        log.info("wall time: %.3f s", time.monotonic() - began)

    def _is_done(self) -> bool:
        """Whether this is a restart of a run that has made all its steps."""
        first, last = self.start.step, self.training.steps
        if self.start.mode != "restart" or first < last:
            return False
        log.info("the checkpoint is at step %d and numb_steps is %d: done", first, last)
        # A run that was killed after its last step may not have come to that.
        return not self.training.change_bias_after_training

    def _open_training_data(
        self, config: Config | MultiTaskConfig
    ) -> tuple[dict[str, Loss], dict[str, DataSet]]:
        """The loss of each task, and the training data with the labels that it reads."""
        losses, data = {}, {}
        replicas = self.distribution.replicas
        for name, single in config.tasks.items():
            losses[name] = make_task_loss(single, replicas=replicas)
            data[name] = open_training_data(single, losses[name], name=name, replicas=replicas)
        return losses, data

    def _write_config(self, output: str | os.PathLike | None) -> None:
        """Write ``out.json``, and log what a restart changes."""
        if self.start.mode == "restart":
            # With the defaults of keys that an earlier version did not have.
            stored = config_from_dict(self.start.header["config"]).to_dict()
            for difference in section_differences(stored, self.config.to_dict()):
                log.info("changed since the checkpoint: %s", difference)
        self._output: Path | None = None
        self._earlier_output: bytes | None = None
        if output is not None and self.distribution.chief:
            self._output = Path(output)
            self._earlier_output = write_config(self.config, self._output)

    def _report_data(self, name: str, data: DataSet, source: WeightSource, *, length: str) -> None:
        """Log the training data of a task, and advice about its model and a fine-tuning.

        Args:
            name: The task.
            data: Its training data.
            source: Where its weights come from.
            length: The key that the input gives the number of steps by.
        """
        config, weights = self.config.tasks[name], shares(self.config)
        log_summary("Training", name, data)
        for line in smoothness_advice(config.model, new=source.mode == "scratch"):
            log.warning("%s", line)
        if source.mode == "finetune":
            share = weights[name] / sum(weights.values())
            lines = advice(
                config.optimizer,
                start_lr=config.learning_rate.start_lr,
                numb_steps=round(config.training.steps * share),
                steps_per_pass=data.steps_per_pass(),
                key=length,
            )
            for line in lines:
                log.warning("%s", line)
        count = config.model.fitting_net.numb_fparam
        if count:
            log.info("training with %d frame parameter(s)", count)
        else:
            log.info("training without frame parameter")

    def _open_validation_data(self, name: str, loss: Loss, *, check: bool) -> DataSet | None:
        # An error found by the chief stops the others too.
        check = check and self.distribution.chief
        config = self.config.tasks[name]
        data = open_validation_data(config, loss, name=name, check=check)
        if data is not None and config.validating.active:
            check_metric(data, config.validating)
        return data

    def _initialize_weights(self) -> None:
        """Set the weights on the chief, and on the others to the same."""
        if self.distribution.chief:
            initialize_weights(self.tasks)
        self.distribution.copy_from_chief(list(all_variables(self.tasks).values()))

    def _only(self) -> Task:
        if len(self.tasks) > 1 or self.tasks[0].name:
            raise AttributeError("a multi-task training has one per task; see tasks")
        return self.tasks[0]

    def _change_bias(self, task: Task) -> None:
        model = task.model
        names = names_or_numbers(model.type_map, model.ntypes)
        variable = model.named_variables()[BIAS]
        if self.distribution.chief:
            variable.assign(
                change_by_statistic(
                    task.data,
                    lambda inputs: np.asarray(model(inputs)["energy"]),
                    variable.numpy(),
                    names=names,
                    target_types=names,
                    nsample=task.config.model.data_bias_nsample,
                    excluded=task.config.model.atom_exclude_types,
                )
            )
        self.distribution.copy_from_chief([variable])


def _first(config: Config | MultiTaskConfig) -> Config:
    """The first task, whose schedule, optimizer, length and files are those of all."""
    return next(iter(config.tasks.values()))
