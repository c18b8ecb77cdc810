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
from deepattn.train.advice import advice, rate_advice
from deepattn.train.branch import Branch, open_branch
from deepattn.train.claim import Claim
from deepattn.train.distribution import Distribution
from deepattn.train.earlier import make_room, remove_leftovers
from deepattn.train.energy_bias import change_by_statistic
from deepattn.train.finetune import fit_to_data, set_weights
from deepattn.train.header import program_lines, training_lines
from deepattn.train.initial import set_statistics
from deepattn.train.lane import Lane
from deepattn.train.loop import TrainingLoop
from deepattn.train.loss import EnergyLoss
from deepattn.train.optimizer import Adam, TorchAdam
from deepattn.train.precision import interface_dtype, refuse_half_precision
from deepattn.train.prepare import count_steps, require_sel, shares, with_neighbors
from deepattn.train.saving import Saver, all_variables, restore_optimizer, state_of
from deepattn.train.schedule import make_schedule
from deepattn.train.seeds import settle_all_seeds, settle_training_seed
from deepattn.train.start import Start

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
        start: where the weights come from; of several tasks one for each branch by name.
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
        branches: the branches with their models and data; a single task has one.
        saved: the latest checkpoint that `train` has written, or None.

    Raises:
        DeepattnError: anything in the configuration, the data or the files that cannot work.
    """

    def __init__(
        self,
        config: Config | MultiTaskConfig,
        *,
        start: Start | Mapping[str, Start] | None = None,
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
        starts = {name: given[name] or Start() for name in config.tasks}
        # What is the same for all branches: step, state of the optimizer, header.
        self.start = next(iter(starts.values()))
        tasks = {
            name: starts[name].adapt(task, place=_place(config, name))
            for name, task in config.tasks.items()
        }
        adapted = self._with_seed(config.with_tasks(tasks))
        config = config_from_dict(
            self.distribution.from_chief(lambda: settle_all_seeds(adapted).to_dict())
        )
        # What the chief finds amiss stops the others too.
        check = self.distribution.chief and not skip_neighbor_stat
        self.branches = [
            open_branch(name, task, starts[name], replicas=self.distribution.replicas, check=check)
            for name, task in config.tasks.items()
        ]
        config = self._hand_out(config.with_tasks({b.name: b.config for b in self.branches}))
        distances = [s.min_nbor_dist for s in starts.values() if s.min_nbor_dist is not None]
        self.min_nbor_dist = min(distances, default=None)
        if skip_neighbor_stat:
            require_sel(self.branches)
        else:
            config, self.min_nbor_dist = with_neighbors(config, self.branches, self.distribution)
            self._hand_out(config)
        by_epochs = self.branches[0].config.training.numb_steps is None
        self.config = self._hand_out(count_steps(config, self.branches))
        if self.start.mode == "restart":
            _log_changes(self.start.header["config"], self.config)
        self._output, self._earlier_output = None, None
        if output is not None and self.distribution.chief:
            self._output = Path(output)
            if self._output.is_file():
                self._earlier_output = self._output.read_bytes()
            with write_whole(output, "w") as file:
                json.dump(self.config.to_dict(), file, indent=4, ensure_ascii=False)
        for branch in self.branches:
            branch.weight = shares(self.config)[branch.name]
            branch.summarize("Training", branch.data)
            if branch.start.mode == "finetune":
                self._advise(branch, "numb_epoch" if by_epochs else "numb_steps")
            _log_parameters(branch)
            branch.open_validation(check=check)
        first = self.branches[0].config
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
        trained, _ = _groups([branch.model for branch in self.branches])
        for line in training_lines(self.branches, trained):
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
        training = self.branches[0].config.training
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
        lanes = [
            Lane(
                branch,
                distribution=self.distribution,
                state=state_of(self.start.header, branch.name) if restarted else None,
            )
            for branch in self.branches
        ]
        saver = Saver(
            self.branches,
            self.optimizer,
            self.config,
            min_nbor_dist=self.min_nbor_dist,
            chief=self.distribution.chief,
        )
        bounds = np.cumsum([branch.weight for branch in self.branches])
        _, seed = settle_training_seed(self.branches[0].config)
        loop = TrainingLoop(
            lanes,
            partial(choose, bounds, seed % 2**64, BRANCHES),
            model=self.branches[0].model,
            distribution=self.distribution,
            training=training,
            arrays=saver.weights,
            save=lambda step: saver.save(step, lanes),
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
                for branch in self.branches:
                    self._change_bias(branch)
                saver.save(step, lanes)
            self.distribution.wait_for_all()
        finally:
            self.saved = saver.last
            for lane in lanes:
                lane.batches.close()
        log.info("finished training")
        log.info("wall time: %.3f s", time.monotonic() - began)

    def _only(self) -> Branch:
        if len(self.branches) > 1 or self.branches[0].name:
            raise AttributeError("a training of several tasks has one of each branch: see branches")
        return self.branches[0]

    def _with_seed(self, config: Config | MultiTaskConfig) -> Config | MultiTaskConfig:
        """The configuration with the seed of the run that is resumed, if it has none."""
        if self.start.mode != "restart":
            return config
        seed = self.start.header["config"].get("training", {}).get("seed")
        tasks = {
            name: replace(task, training=replace(task.training, seed=seed))
            for name, task in config.tasks.items()
            if task.training.seed is None
        }
        return config.with_tasks({**config.tasks, **tasks})

    def _hand_out(self, config: Config | MultiTaskConfig) -> Config | MultiTaskConfig:
        """Give every branch its part of the configuration."""
        for branch in self.branches:
            branch.config = config.tasks[branch.name]
        return config

    def _build_models(self) -> None:
        dtype = interface_dtype()
        with self.distribution.scope():
            if isinstance(self.config, MultiTaskConfig):
                models = build_models(self.config, interface_dtype=dtype)
            else:
                models = {"": build_model(self.config.model, interface_dtype=dtype)}
        for branch in self.branches:
            branch.model = models[branch.name]
        if self.distribution.chief:
            self._set_weights()
        self.distribution.copy_from_chief(list(all_variables(self.branches).values()))

    def _set_weights(self) -> None:
        if self.start.mode == "scratch":
            log.info("computing the statistics of the training data")
            set_statistics(self.branches)
            log.info("initialize model from scratch")
            return
        for branch in self.branches:
            log.info("%s%s", f"{branch.name}: " if branch.name else "", _announced(branch.start))
        set_weights(self.branches)
        for branch in self.branches:
            if branch.start.mode == "finetune":
                fit_to_data(branch)

    def _build_optimizer(self) -> Adam:
        config = self.branches[0].config
        # That of the backends that have such a model.
        kind = TorchAdam if config.model.is_common else Adam
        with self.distribution.scope():
            optimizer = kind(
                self.schedule,
                beta_1=config.optimizer.adam_beta1,
                beta_2=config.optimizer.adam_beta2,
                global_clipnorm=config.training.gradient_max_norm,
            )
            for branch in self.branches:
                branch.model.compile(optimizer=optimizer, loss=branch.loss)
            optimizer.build(*_groups([branch.model for branch in self.branches]))
        if self.start.mode in ("init_model", "restart"):
            restore_optimizer(
                optimizer,
                all_variables(self.branches),
                self.start.optimizer,
                path=self.start.path,
                keep_step=self.start.mode == "restart",
            )
        return optimizer

    def _change_bias(self, branch: Branch) -> None:
        model = branch.model
        names = names_or_numbers(model.type_map, model.ntypes)
        variable = model.named_variables()[BIAS]
        if self.distribution.chief:
            variable.assign(
                change_by_statistic(
                    branch.data,
                    lambda inputs: np.asarray(model(inputs)["energy"]),
                    variable.numpy(),
                    names=names,
                    target_types=names,
                    nsample=branch.config.model.data_bias_nsample,
                )
            )
        self.distribution.copy_from_chief([variable])

    def _advise(self, branch: Branch, key: str) -> None:
        steps = branch.config.training.steps
        part = branch.weight / sum(shares(self.config).values())
        lines = advice(
            start_lr=branch.config.learning_rate.start_lr,
            numb_steps=round(steps * part),
            steps_per_pass=branch.data.steps_per_pass(),
            key=key,
        )
        for line in lines:
            log.warning("%s", line)


def _place(config: Config | MultiTaskConfig, name: str) -> Callable[[str], str]:
    """Gives the path in the input of a key of a branch's own configuration."""
    if isinstance(config, Config):
        return str
    return lambda key: relocated(key, name, config.branches[name].links)


def _log_changes(stored: Mapping[str, Any], config: Config | MultiTaskConfig) -> None:
    """Log what the input of a restart says other than that of the checkpoint."""
    for difference in section_differences(stored, config.to_dict()):
        log.info("changed since the checkpoint: %s", difference)


def _announced(start: Start) -> str:
    head = f", branch {start.head}" if start.head else ""
    fitting = ", with a new fitting net" if start.random_fitting else ""
    return _ANNOUNCED[start.mode] % start.path + head + fitting


def _log_parameters(branch: Branch) -> None:
    count = branch.config.model.fitting_net.numb_fparam
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
