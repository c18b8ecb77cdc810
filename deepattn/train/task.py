"""One task of a training: a model, its data and its loss. A multi-task training has several."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from deepattn.config import Config, DataConfig
from deepattn.data import DataSet, summary_lines
from deepattn.models import EnergyModel
from deepattn.train.labels import check_labels
from deepattn.train.loss import EnergyLoss
from deepattn.train.schedule import scale_of_workers
from deepattn.train.seeds import derive_seed
from deepattn.train.weight_source import WeightSource

log = logging.getLogger(__name__)


@dataclass
class Task:
    """A task and what it is trained with.

    Attributes:
        name: its name in ``model_dict``; empty in a single-task training.
        config: its configuration as a single task.
        start: where its weights come from.
        loss: its loss.
        data: its training data.
        validation_data: its validation data, or None.
        weight: its share in the draw of the task that a step trains; only ratios matter.
        model: its model, which may share layers with those of other tasks; set when all are
            built.
    """

    name: str
    config: Config
    start: WeightSource
    loss: EnergyLoss
    data: DataSet
    validation_data: DataSet | None = None
    weight: float = 1.0
    model: EnergyModel = field(init=False)

    @property
    def prefix(self) -> str:
        """What precedes the names of its weights in a checkpoint."""
        return f"{self.name}/" if self.name else ""

    def open_validation(self, *, check: bool) -> None:
        """Open the validation data, if there are any, and log what they are.

        Args:
            check: whether to read and check every frame now.
        """
        section = self.config.training.validation_data
        if section is not None:
            self.validation_data = open_data(
                self.config, section, self.loss, name=self.name, check=check
            )
            check_labels(self.validation_data, self.loss, kind="validation", task=self.name)
            self.summarize("Validation", self.validation_data)

    def summarize(self, title: str, data: DataSet) -> None:
        """Log the systems of a data set."""
        for line in summary_lines(data, f"{title} {self.name}".rstrip()):
            log.info(line)


def open_task(
    name: str, config: Config, start: WeightSource, *, replicas: int = 1, check: bool = True
) -> Task:
    """Open the training data of a task.

    Args:
        name: its name; empty in a single-task training.
        config: its configuration.
        start: where its weights come from.
        replicas: number of devices that share a batch.
        check: whether to read and check every frame now.

    Raises:
        DataError: the data are missing or malformed, have nothing that the loss weighs, or more
            types than the model.
    """
    terms = config.loss.to_dict()
    del terms["type"]
    rate = config.learning_rate
    # The schedule is scaled likewise, so that the weights of the terms fall as with one device.
    scale = scale_of_workers(rate.scale_by_worker, replicas)
    loss = EnergyLoss(scale * rate.start_lr, **terms)
    section = config.training.training_data
    data = open_data(config, section, loss, name=name, replicas=replicas, check=check)
    check_labels(data, loss, task=name)
    return Task(name, config, start, loss, data)


def open_data(
    config: Config,
    section: DataConfig,
    loss: EnergyLoss,
    *,
    name: str,
    replicas: int = 1,
    check: bool,
) -> DataSet:
    """The data of a task, with the labels that its loss and the energy bias need."""
    # The bias is fitted to energies even where the loss does not look at them.
    labels = {*loss.label_names, "energy"}
    seed = config.training.seed
    data = DataSet(
        section,
        config.model.type_map or None,
        numb_fparam=config.model.fitting_net.numb_fparam,
        numb_aparam=config.model.fitting_net.numb_aparam,
        labels=sorted(labels),
        numb_generalized_coord=loss.numb_generalized_coord,
        # Branches would otherwise all draw their systems by the same numbers.
        seed=derive_seed(seed, f"{name}/data") if name and seed is not None else seed,
        replicas=replicas,
        check=check,
    )
    if not config.model.type_map:
        _check_types(config, data)
    return data


def _check_types(config: Config, data: DataSet) -> None:
    """Refuse atoms of types that a model without names does not have, and warn of lost names.

    Raises:
        DataError: a number is too large.
    """
    ntypes = config.model.ntypes
    data.check_types(
        ntypes, f"model/descriptor/sel is for {ntypes}; add to sel, or set model/type_map."
    )
    if data.type_map:
        pairs = ", ".join(f"{kind} is {name}" for kind, name in enumerate(data.type_map))
        log.warning(
            "the input has no model/type_map, so types are numbers only (in these data %s); set it "
            "to have the names in the model",
            pairs,
        )
