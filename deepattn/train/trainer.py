"""A training from its configuration to its last checkpoint."""

import json
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from deepattn.config import (
    Config,
    MultiTaskConfig,
    config_from_dict,
    relocated,
    section_differences,
)
from deepattn.data import DataSet
from deepattn.data.sampler import BRANCHES, choose
from deepattn.data.type_map import names_or_numbers
from deepattn.formats.files import write_whole
from deepattn.formats.weight_names import BIAS
from deepattn.models import EnergyModel, build_model, build_models
from deepattn.statistics.energy_bias import change_by_statistic
from deepattn.train.checkpointing.backup import make_room, remove_leftovers
from deepattn.train.checkpointing.claim import Claim
from deepattn.train.checkpointing.saver import Saver, all_variables, restore_optimizer, state_of
from deepattn.train.distributed.strategy import Distribution
from deepattn.train.initialize.advice import advice, rate_advice
from deepattn.train.initialize.finetune import fit_to_data, set_weights
from deepattn.train.initialize.scratch import set_statistics
from deepattn.train.log_header import program_lines, training_lines
from deepattn.train.loop import TrainingLoop
from deepattn.train.loss import EnergyLoss
from deepattn.train.optimizer import Adam, TorchAdam
from deepattn.train.precision import interface_dtype, refuse_half_precision
from deepattn.train.resolve import count_steps, require_sel, shares, with_neighbors
from deepattn.train.schedule import make_schedule
from deepattn.train.seeds import settle_all_seeds, settle_training_seed
from deepattn.train.task import Task, open_task
from deepattn.train.task_runner import TaskRunner
from deepattn.train.weight_source import WeightSource

log = logging.getLogger(__name__)

_ANNOUNCED = {
    "init_model": "initialize from model %s",
    "restart": "restart from model %s",
    "init_frz_model": "initialize training from the frozen model %s",
    "finetune": "initialize training from the pretrained model %s",
    "resume": "go on with the unchanged model %s",
}


class Trainer:
    """Prepares a training of one task or several; `train` runs it.

    On the CPU a run is reproducible: the same configuration with the same seeds gives the same
    numbers, and a run that was stopped and restarted gives those of one that was not.

    Args:
        config: configuration; its ``sel`` may be automatic.
        start: where the weights come from; for a multi-task input one for each task by name.
        output: file for the complete configuration (``out.json``); None writes none.
        skip_neighbor_stat: do not read all data before the first step: no search for the shortest
            distance and the most neighbors, without which ``sel`` must be a number, and frames are
            checked when they are drawn.
        callbacks: Keras callbacks; an interval between two display steps is an epoch to them.
        distribution: the devices and machines to train on; by default those of the
            `tf.distribute.Strategy` in whose scope the trainer is made, if any.
        claim: a claim on the files of the training that is held already.

    Attributes:
        config: the configuration with nothing left open.
        tasks: the tasks with their models and data; a single task has one.
        saved: the latest checkpoint that `train` has written, or None.

    Raises:
        DeepattnError: anything in the configuration, the data or the files that cannot work.
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
        given = start if isinstance(start, Mapping) else dict.fromkeys(config.tasks, start)
        starts = {name: given[name] or WeightSource() for name in config.tasks}
        # What is the same for all tasks: step, state of the optimizer, header.
        self.start = next(iter(starts.values()))
        adapted = {
            name: starts[name].adapt(single, place=_place(config, name))
            for name, single in config.tasks.items()
        }
        seeded = self._with_seed(config.with_tasks(adapted))
        config = config_from_dict(
            self.distribution.from_chief(lambda: settle_all_seeds(seeded).to_dict())
        )
        # What the chief finds amiss stops the others too.
        check = self.distribution.chief and not skip_neighbor_stat
        self.tasks = [
            open_task(name, single, starts[name], replicas=self.distribution.replicas, check=check)
            for name, single in config.tasks.items()
        ]
        config = self._hand_out(config.with_tasks({task.name: task.config for task in self.tasks}))
        distances = [s.min_nbor_dist for s in starts.values() if s.min_nbor_dist is not None]
        self.min_nbor_dist = min(distances, default=None)
        if skip_neighbor_stat:
            require_sel(self.tasks)
        else:
            config, self.min_nbor_dist = with_neighbors(config, self.tasks, self.distribution)
            self._hand_out(config)
        by_epochs = self.tasks[0].config.training.numb_steps is None
        self.config = self._hand_out(count_steps(config, self.tasks))
        if self.start.mode == "restart":
            _log_changes(self.start.header["config"], self.config)
        self._output, self._earlier_output = None, None
        if output is not None and self.distribution.chief:
            self._output = Path(output)
            if self._output.is_file():
                self._earlier_output = self._output.read_bytes()
            with write_whole(output, "w") as file:
                json.dump(self.config.to_dict(), file, indent=4, ensure_ascii=False)
        for task in self.tasks:
            task.weight = shares(self.config)[task.name]
            task.summarize("Training", task.data)
            if task.start.mode == "finetune":
                self._advise(task, "numb_epoch" if by_epochs else "numb_steps")
            _log_parameters(task)
            task.open_validation(check=check)
        first = self.tasks[0].config
        self.saved: Path | None = None
        self._claim = claim or Claim(first.training, chief=self.distribution.chief)
        self.schedule = make_schedule(
            first.learning_rate.to_dict(),
            first.training.steps,
            workers=self.distribution.replicas,
        )
        for line in rate_advice(first.learning_rate):
            log.warning("%s", line)
        self._build_models()
        self.optimizer = self._build_optimizer()
        trained, _ = _groups([task.model for task in self.tasks])
        for line in training_lines(self.tasks, trained):
            log.info("%s", line)

    @property
    def model(self) -> EnergyModel:
        """The compiled model of a single task."""
        return self._only().model

    @property
    def loss(self) -> EnergyLoss:
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
            NonFiniteError: the training has diverged.
            BusyError: another training is writing the same files.
            KeyboardInterrupt: after Ctrl-C, once a checkpoint is written.
        """
        with self._claim:
            self._train()

    def _train(self) -> None:
        began = time.monotonic()
        training = self.tasks[0].config.training
        first, last = self.start.step, training.steps
        restarted = self.start.mode == "restart"
        if restarted and first >= last:
            log.info("the checkpoint is of step %d and numb_steps is %d: done", first, last)
            # A run that was killed after its last step may not have come to that.
            if not training.change_bias_after_training:
                if self.distribution.chief:
                    remove_leftovers(training, self.start)
                return
        if self.distribution.chief:
            make_room(training, self.start, output=self._output, content=self._earlier_output)
        runners = [
            TaskRunner(
                task,
                distribution=self.distribution,
                state=state_of(self.start.header, task.name) if restarted else None,
            )
            for task in self.tasks
        ]
        saver = Saver(
            self.tasks,
            self.optimizer,
            self.config,
            min_nbor_dist=self.min_nbor_dist,
            chief=self.distribution.chief,
        )
        bounds = np.cumsum([task.weight for task in self.tasks])
        _, seed = settle_training_seed(self.tasks[0].config)
        loop = TrainingLoop(
            runners,
            partial(choose, bounds, seed % 2**64, BRANCHES),
            model=self.tasks[0].model,
            distribution=self.distribution,
            training=training,
            arrays=saver.weights,
            save=lambda step: saver.save(step, runners),
            advice=saver.advice,
            resumed=restarted,
            callbacks=self.callbacks,
        )
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
                saver.save(step, runners)
            self.distribution.wait_for_all()
        finally:
            self.saved = saver.last
            for runner in runners:
                runner.batches.close()
        log.info("finished training")
        log.info("wall time: %.3f s", time.monotonic() - began)

    def _only(self) -> Task:
        if len(self.tasks) > 1 or self.tasks[0].name:
            raise AttributeError("a multi-task training has one for each task: see tasks")
        return self.tasks[0]

    def _with_seed(self, config: Config | MultiTaskConfig) -> Config | MultiTaskConfig:
        """The configuration with the seed of the run that is resumed, if it has none."""
        if self.start.mode != "restart":
            return config
        seed = self.start.header["config"].get("training", {}).get("seed")
        seeded = {
            name: replace(single, training=replace(single.training, seed=seed))
            for name, single in config.tasks.items()
            if single.training.seed is None
        }
        return config.with_tasks({**config.tasks, **seeded})

    def _hand_out(self, config: Config | MultiTaskConfig) -> Config | MultiTaskConfig:
        """Give every task its part of the configuration."""
        for task in self.tasks:
            task.config = config.tasks[task.name]
        return config

    def _build_models(self) -> None:
        dtype = interface_dtype()
        with self.distribution.scope():
            if isinstance(self.config, MultiTaskConfig):
                models = build_models(self.config, interface_dtype=dtype)
            else:
                models = {"": build_model(self.config.model, interface_dtype=dtype)}
        for task in self.tasks:
            task.model = models[task.name]
        if self.distribution.chief:
            self._set_weights()
        self.distribution.copy_from_chief(list(all_variables(self.tasks).values()))

    def _set_weights(self) -> None:
        if self.start.mode == "scratch":
            log.info("computing the statistics of the training data")
            set_statistics(self.tasks)
            log.info("initialize model from scratch")
            return
        for task in self.tasks:
            log.info("%s%s", f"{task.name}: " if task.name else "", _announced(task.start))
        set_weights(self.tasks)
        for task in self.tasks:
            if task.start.mode == "finetune":
                fit_to_data(task)

    def _build_optimizer(self) -> Adam:
        config = self.tasks[0].config
        # That of the backends that have such a model.
        kind = TorchAdam if config.model.is_common else Adam
        with self.distribution.scope():
            optimizer = kind(
                self.schedule,
                beta_1=config.optimizer.adam_beta1,
                beta_2=config.optimizer.adam_beta2,
                global_clipnorm=config.training.gradient_max_norm,
            )
            for task in self.tasks:
                task.model.compile(optimizer=optimizer, loss=task.loss)
            optimizer.build(*_groups([task.model for task in self.tasks]))
        if self.start.mode in ("init_model", "restart"):
            restore_optimizer(
                optimizer,
                all_variables(self.tasks),
                self.start.optimizer,
                path=self.start.path,
                keep_step=self.start.mode == "restart",
            )
        return optimizer

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
                )
            )
        self.distribution.copy_from_chief([variable])

    def _advise(self, task: Task, key: str) -> None:
        steps = task.config.training.steps
        part = task.weight / sum(shares(self.config).values())
        lines = advice(
            start_lr=task.config.learning_rate.start_lr,
            numb_steps=round(steps * part),
            steps_per_pass=task.data.steps_per_pass(),
            key=key,
        )
        for line in lines:
            log.warning("%s", line)


def _place(config: Config | MultiTaskConfig, name: str) -> Callable[[str], str]:
    """Gives the path in the input of a key of a task's own configuration."""
    if isinstance(config, Config):
        return str
    return lambda key: relocated(key, name, config.branches[name].links)


def _log_changes(stored: Mapping[str, Any], config: Config | MultiTaskConfig) -> None:
    """Log what the input of a restart says other than that of the checkpoint."""
    for difference in section_differences(stored, config.to_dict()):
        log.info("changed since the checkpoint: %s", difference)


def _announced(start: WeightSource) -> str:
    head = f", branch {start.head}" if start.head else ""
    fitting = ", with a new fitting net" if start.random_fitting else ""
    return _ANNOUNCED[start.mode] % start.path + head + fitting


def _log_parameters(task: Task) -> None:
    count = task.config.model.fitting_net.numb_fparam
    if count:
        log.info("training with %d frame parameter(s)", count)
    else:
        log.info("training without frame parameter")


def _groups(models: Sequence[EnergyModel]) -> tuple[list[keras.Variable], list[int]]:
    """The trained weights of all models once, and a number for each set of models they are in."""
    members: dict[int, tuple[keras.Variable, list[int]]] = {}
    for number, model in enumerate(models):
        for variable in model.trainable_variables:
            members.setdefault(id(variable), (variable, []))[1].append(number)
    sets = list(dict.fromkeys(tuple(numbers) for _, numbers in members.values()))
    variables = [variable for variable, _ in members.values()]
    return variables, [sets.index(tuple(numbers)) for _, numbers in members.values()]
