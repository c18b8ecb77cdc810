"""A training from its configuration to its last checkpoint."""

import json
import logging
import math
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, replace

import keras
import numpy as np

from deepattn.config import Config, DataConfig, SeE2AConfig, fill_sel
from deepattn.data import DataSet, summary_lines
from deepattn.errors import ConfigError
from deepattn.formats.files import write_whole
from deepattn.layers.energy_fitting import BIAS
from deepattn.models import EnergyModel, build_model
from deepattn.train.advice import advice
from deepattn.train.batches import Batches
from deepattn.train.distribution import Distribution
from deepattn.train.energy_bias import change_by_statistic
from deepattn.train.finetune import set_pretrained
from deepattn.train.initial import set_statistics
from deepattn.train.loop import TrainingLoop
from deepattn.train.loss import EnergyLoss
from deepattn.train.neighbor_stat import NeighborStat, neighbor_statistics
from deepattn.train.optimizer import Adam
from deepattn.train.saving import Saver, restore_optimizer
from deepattn.train.schedule import make_schedule, scale_of_workers
from deepattn.train.seeds import settle_seeds
from deepattn.train.start import Start

log = logging.getLogger(__name__)

_ANNOUNCED = {
    "init_model": "initialize from model %s",
    "restart": "restart from model %s",
    "init_frz_model": "initialize training from the frozen model %s",
    "finetune": "initialize training from the frozen pretrained model %s",
}


class Trainer:
    """Prepares a training; `train` runs it.

    On the CPU a run is reproducible: the same configuration with the same seeds gives the same
    numbers, and a run that was stopped and restarted gives those of one that was not.

    Args:
        config: configuration; its ``sel`` may be automatic.
        start: where the weights come from.
        output: file for the complete configuration (``out.json``); None writes none.
        skip_neighbor_stat: do not read all data before the first step: no search for the shortest
            distance and the most neighbours, without which ``sel`` must be a number, and frames are
            checked when they are drawn.
        callbacks: Keras callbacks; an interval between two display steps is an epoch to them.
        distribution: the devices and machines to train on; by default those of the
            `tf.distribute.Strategy` in whose scope the trainer is made, if any.

    Attributes:
        config: the configuration with nothing left open.
        model: the compiled model.
        data: the training data.
        validation_data: the validation data, or None.

    Raises:
        DeepattnError: anything in the configuration, the data or the files that cannot work.
    """

    def __init__(
        self,
        config: Config,
        *,
        start: Start | None = None,
        output: str | os.PathLike | None = None,
        skip_neighbor_stat: bool = False,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        distribution: Distribution | None = None,
    ) -> None:
        self.start = start or Start()
        self.callbacks = callbacks
        self.distribution = distribution or Distribution()
        config = self.start.adapt(config)
        config = Config.from_dict(
            self.distribution.from_chief(lambda: settle_seeds(config).to_dict())
        )
        self.loss = _make_loss(config, self.distribution.replicas)
        # What the chief finds amiss stops the others too.
        self._check_all = self.distribution.chief and not skip_neighbor_stat
        self.data = self._open(
            config, config.training.training_data, replicas=self.distribution.replicas
        )
        config = _name_types(config, self.data)
        self.min_nbor_dist = self.start.min_nbor_dist
        if not skip_neighbor_stat:
            config = self._neighbor_statistics(config)
        elif isinstance(config.model.descriptor.sel, str):
            raise ConfigError(
                f"model/descriptor/sel is {config.model.descriptor.sel!r}, which needs the "
                "neighbour statistics; leave out --skip-neighbor-stat or give a number."
            )
        length = "numb_epoch" if config.training.numb_steps is None else "numb_steps"
        self.config = config = _count_steps(config, self.data)
        if output is not None and self.distribution.chief:
            with write_whole(output, "w") as file:
                json.dump(config.to_dict(), file, indent=4, ensure_ascii=False)
        self._summarise("Training", self.data)
        if self.start.mode == "finetune":
            self._advise(length)
        count = config.model.fitting_net.numb_fparam
        if count:
            log.info("training with %d frame parameter(s)", count)
        else:
            log.info("training without frame parameter")
        self.validation_data = None
        if config.training.validation_data is not None:
            self.validation_data = self._open(config, config.training.validation_data)
            self._summarise("Validation", self.validation_data)
        self.schedule = make_schedule(
            config.learning_rate.to_dict(),
            config.training.numb_steps,
            workers=self.distribution.replicas,
        )
        self.model = self._build_model()
        self.optimizer = self._build_optimizer()

    def train(self) -> None:
        """Train to the last step, writing the files of the ``training`` section.

        Raises:
            NonFiniteError: the training has diverged.
            KeyboardInterrupt: after Ctrl-C, once a checkpoint is written.
        """
        began = time.monotonic()
        training = self.config.training
        first, last = self.start.step, training.numb_steps
        if self.start.mode == "restart" and first >= last:
            log.info("the checkpoint is of step %d and numb_steps is %d: done", first, last)
            return
        header = self.start.header if self.start.mode == "restart" else {}
        batches = Batches(
            self.data,
            self.model.prepare,
            distribution=self.distribution,
            state=header.get("sampler"),
        )
        validation, numb_btch = None, 0
        if self.validation_data is not None:
            validation = self.validation_data.sampler
            numb_btch = training.validation_data.numb_btch
            if header.get("validation_sampler") is not None:
                validation.restore(header["validation_sampler"])
        saver = Saver(
            self.model,
            self.optimizer,
            self.config,
            min_nbor_dist=self.min_nbor_dist,
            chief=self.distribution.chief,
        )
        loop = TrainingLoop(
            self.model,
            batches,
            distribution=self.distribution,
            validation=validation,
            numb_btch=numb_btch,
            training=training,
            save=lambda step: saver.save(step, batches, validation),
            advice=saver.advice,
            append=self.start.mode == "restart",
            callbacks=self.callbacks,
        )
        log.info(
            "start training at lr %.2e (== %.2e), final lr will be %.2e",
            float(self.optimizer.learning_rate),
            self.schedule.value(first),
            self.schedule.value(last),
        )
        try:
            loop.run(first, last)
            if training.change_bias_after_training:
                self._change_bias()
                saver.save(last, batches, validation)
            self.distribution.wait_for_all()
        finally:
            batches.close()
        log.info("finished training")
        log.info("wall time: %.3f s", time.monotonic() - began)

    def _open(self, config: Config, section: DataConfig, *, replicas: int = 1) -> DataSet:
        # The bias is fitted to energies even where the loss does not look at them.
        labels = {*self.loss.label_names, "energy"}
        return DataSet(
            section,
            config.model.type_map or None,
            numb_fparam=config.model.fitting_net.numb_fparam,
            numb_aparam=config.model.fitting_net.numb_aparam,
            labels=sorted(labels),
            numb_generalized_coord=self.loss.numb_generalized_coord,
            seed=config.training.seed,
            replicas=replicas,
            check=self._check_all,
        )

    def _neighbor_statistics(self, config: Config) -> Config:
        log.info("Calculate neighbor statistics... (add --skip-neighbor-stat to skip this step)")
        descriptor = config.model.descriptor
        mixed = not isinstance(descriptor, SeE2AConfig)
        sel = descriptor.sel
        options = {
            "rcut": descriptor.rcut,
            "ntypes": config.model.ntypes,
            "mixed_types": mixed,
            "sel": None if isinstance(sel, str) else [sel] if mixed else list(sel),
        }
        found = self.distribution.from_chief(
            lambda: asdict(neighbor_statistics(self.data.systems, **options))
        )
        statistics = NeighborStat(**found)
        self.min_nbor_dist = statistics.min_nbor_dist
        most = statistics.max_nbor_size
        return fill_sel(config, most[0] if mixed else most)

    def _build_model(self) -> EnergyModel:
        with self.distribution.scope():
            model = build_model(self.config.model, interface_dtype=interface_dtype())
        if self.distribution.chief:
            self._set_weights(model)
        self.distribution.copy_from_chief(model.named_variables().values())
        return model

    def _set_weights(self, model: EnergyModel) -> None:
        if self.start.mode == "scratch":
            log.info("data stating... (this step may take long time)")
            set_statistics(model, self.config, self.data)
            log.info("initialize model from scratch")
            return
        log.info(_ANNOUNCED[self.start.mode], self.start.path)
        if self.start.mode == "finetune":
            set_pretrained(model, self.start, self.config, self.data)
        else:
            model.set_arrays(self.start.weights_for(self.config.model))

    def _build_optimizer(self) -> Adam:
        section = self.config.optimizer
        with self.distribution.scope():
            optimizer = Adam(
                self.schedule,
                beta_1=section.adam_beta1,
                beta_2=section.adam_beta2,
                global_clipnorm=self.config.training.gradient_max_norm,
            )
            self.model.compile(optimizer=optimizer, loss=self.loss)
            optimizer.build(self.model.trainable_variables)
        if self.start.mode in ("init_model", "restart"):
            restore_optimizer(
                optimizer,
                self.model,
                self.start.optimizer,
                path=self.start.path,
                keep_step=self.start.mode == "restart",
            )
        return optimizer

    def _change_bias(self) -> None:
        variable = self.model.named_variables()[BIAS]
        if self.distribution.chief:
            variable.assign(
                change_by_statistic(
                    self.data,
                    lambda inputs: np.asarray(self.model(inputs)["energy"]),
                    variable.numpy(),
                    target_types=self.config.model.type_map,
                    nsample=self.config.model.data_bias_nsample,
                )
            )
        self.distribution.copy_from_chief([variable])

    def _advise(self, key: str) -> None:
        lines = advice(
            start_lr=self.config.learning_rate.start_lr,
            numb_steps=self.config.training.numb_steps,
            steps_per_pass=self.data.steps_per_pass(),
            key=key,
        )
        for line in lines:
            log.warning("%s", line)

    def _summarise(self, title: str, data: DataSet) -> None:
        for line in summary_lines(data, title):
            log.info(line)


def _make_loss(config: Config, replicas: int) -> EnergyLoss:
    section = config.loss.to_dict()
    del section["type"]
    rate = config.learning_rate
    # The schedule is scaled likewise, so that the weights of the terms fall as with one device.
    scale = scale_of_workers(rate.scale_by_worker, replicas)
    return EnergyLoss(scale * rate.start_lr, **section)


def _name_types(config: Config, data: DataSet) -> Config:
    """Take the names of the types from the data where the input gives none."""
    if config.model.type_map:
        return config
    names = data.type_map
    if not names or len(names) != config.model.ntypes:
        raise ConfigError(
            f"model/type_map is missing and the data name {len(names or [])} types, while "
            f"model/descriptor/sel is for {config.model.ntypes}; set model/type_map."
        )
    return replace(config, model=replace(config.model, type_map=tuple(names)))


def _count_steps(config: Config, data: DataSet) -> Config:
    """Turn ``numb_epoch`` into ``numb_steps``."""
    training = config.training
    if training.numb_steps is not None:
        return config
    steps = math.ceil(training.numb_epoch * data.steps_per_epoch())
    log.info("numb_epoch %g is %d steps", training.numb_epoch, steps)
    training = replace(training, numb_steps=steps, numb_epoch=None)
    return replace(config, training=training)


def interface_dtype() -> str:
    """Precision of coordinates and forces, as the variable ``DP_INTERFACE_PREC`` says."""
    name = os.environ.get("DP_INTERFACE_PREC", "high").lower()
    if name not in ("high", "low"):
        raise ConfigError(f"DP_INTERFACE_PREC is {name!r}; set it to 'high' or 'low'.")
    return "float64" if name == "high" else "float32"
