"""One task of a training: a model, its data and its loss. A multi-task training has several."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from deepattn.config import Config, DataConfig, ModelConfig, MultiTaskConfig
from deepattn.data import DataSet, summary_lines
from deepattn.data.keys import label_name
from deepattn.data.residues import check_residues
from deepattn.data.virtual_atoms import check_virtual_atoms
from deepattn.data.whole_frames import check_whole_frames
from deepattn.losses import Loss, make_loss
from deepattn.models import AtomicModel
from deepattn.train.labels import check_labels
from deepattn.train.resolve import shares
from deepattn.train.seeds import derive_seed
from deepattn.train.weight_source import WeightSource

# Atoms whose parameters are checked at a time.
_ATOMS_AT_ONCE = 1 << 20

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """A task, ready to be trained.

    Attributes:
        name: Its name in ``model_dict``; empty in a single-task training.
        config: Its part of the configuration, as that of a single task.
        start: Where its weights come from.
        loss: Its loss.
        data: Its training data.
        validation_data: Its validation data, or None.
        weight: Its share in the draw of the task that a step trains; only ratios matter.
        model: Its model, which may share layers with those of other tasks.
    """

    name: str
    config: Config
    start: WeightSource
    loss: Loss
    data: DataSet
    validation_data: DataSet | None
    weight: float
    model: AtomicModel

    @property
    def prefix(self) -> str:
        """Prefix of the names of its weights in a checkpoint."""
        return f"{self.name}/" if self.name else ""


def make_tasks(
    config: Config | MultiTaskConfig,
    *,
    sources: Mapping[str, WeightSource],
    losses: Mapping[str, Loss],
    data: Mapping[str, DataSet],
    validation_data: Mapping[str, DataSet | None],
    models: Mapping[str, AtomicModel],
) -> list[Task]:
    """The tasks of a complete configuration, each made of its parts.

    Args:
        config: The configuration, with the shares of the tasks.
        sources: Where the weights come from, by task.
        losses: The losses.
        data: The training data.
        validation_data: The validation data; None where a task has none.
        models: The models.
    """
    weights = shares(config)
    return [
        Task(
            name,
            single,
            start=sources[name],
            loss=losses[name],
            data=data[name],
            validation_data=validation_data[name],
            weight=weights[name],
            model=models[name],
        )
        for name, single in config.tasks.items()
    ]


def make_task_loss(config: Config, *, replicas: int = 1) -> Loss:
    """The loss of a task.

    Args:
        config: Its configuration.
        replicas: Number of devices that share a batch.
    """
    rate = config.learning_rate
    # The schedule is scaled likewise, so that the weights of the terms fall as with one device.
    return make_loss(config.loss, rate.scale(replicas) * rate.start_lr, config.model)


def open_training_data(config: Config, loss: Loss, *, name: str = "", replicas: int = 1) -> DataSet:
    """Open the training data of a task; all but the first frame of a system are yet to be checked.

    Args:
        config: Its configuration.
        loss: Its loss, which decides what labels are read.
        name: Its name; empty in a single-task training.
        replicas: Number of devices that share a batch.

    Raises:
        DataError: The data are missing or malformed, have nothing that the loss weighs, or more
            types than the model.
    """
    section = config.training.training_data
    data = _open(config, section, loss, name=name, replicas=replicas, check=False)
    check_labels(data, loss, task=name)
    return data


def open_validation_data(
    config: Config, loss: Loss, *, name: str = "", check: bool = True
) -> DataSet | None:
    """Open the validation data of a task, if there are any, and log what they are.

    Args:
        config: Its configuration.
        loss: Its loss, which decides what labels are read.
        name: Its name; empty in a single-task training.
        check: Whether to read and check every frame now.

    Raises:
        DataError: The data are missing or malformed, or have more types than the model.
    """
    section = config.training.validation_data
    if section is None:
        return None
    data = _open(config, section, loss, name=name, check=check)
    check_labels(data, loss, kind="validation", task=name)
    log_summary("Validation", name, data)
    return data


def open_old_data(config: Config, loss: Loss, start: WeightSource) -> DataSet | None:
    """Open the frames of ``training/finetune/ewc``, if they are needed.

    Args:
        config: Configuration of a task.
        loss: Its loss.
        start: Where its weights come from; a checkpoint knows what the frames were for.

    Raises:
        DataError: The data are missing or malformed, or have more types than the model.
    """
    section = config.training.finetune
    known = start.mode == "restart" and start.fisher
    if section is None or section.ewc is None or known:
        return None
    frames = DataConfig.from_dict({"systems": section.ewc.systems, "batch_size": 1})
    return _open(config, frames, loss, name="", check=False)


def log_summary(title: str, name: str, data: DataSet) -> None:
    """Log the systems of a data set of a task."""
    for line in summary_lines(data, f"{title} {name}".rstrip()):
        log.info(line)


def _open(
    config: Config,
    section: DataConfig,
    loss: Loss,
    *,
    name: str,
    replicas: int = 1,
    check: bool,
) -> DataSet:
    """Data of a task, with the labels that its loss and its statistics need."""
    # The energy bias, say, is fitted even where the loss does not look at energies.
    wanted = (*config.model.fitting_net.statistics_labels, *loss.labels)
    labels = {label_name(label): label for label in wanted}
    seed, listed = config.training.seed, config.model.listed_spin
    data = DataSet(
        section,
        config.model.data_types or None,
        numb_fparam=config.model.fitting_net.numb_fparam,
        default_fparam=config.model.fitting_net.default_fparam,
        numb_aparam=config.model.numb_aparam,
        spin=config.model.given_spin is not None,
        labels=[labels[name] for name in sorted(labels)],
        numb_generalized_coord=loss.numb_generalized_coord,
        # Tasks would otherwise all draw their systems by the same numbers.
        seed=derive_seed(seed, f"{name}/data") if name and seed is not None else seed,
        replicas=replicas,
        check=check,
    )
    if not config.model.type_map:
        _check_types(config, data)
    if listed is not None:
        for system in data.systems:
            frames = range(system.nframes) if system.mixed_type else [0]
            names = config.model.type_map
            check_virtual_atoms(system.atype(frames), listed.hosts, names, system.path)
    _check_parameters(config.model, data)
    return data


def _check_parameters(model: ModelConfig, data: DataSet) -> None:
    """Check atomic parameters that tell where atoms belong.

    Raises:
        DataError: They are no residues, or no masks of complete frames.
    """
    whole = model.descriptor.whole_frames
    for system in data.systems if whole or model.of_residues else ():
        for frames in system.pieces(_ATOMS_AT_ONCE):
            aparam, atype = system.load("aparam", frames, width=1), system.atype(frames)
            where, first = system.path, int(frames[0])
            if whole:
                composition, names = model.descriptor.composition, model.type_map
                check_whole_frames(atype, aparam, composition, names, where, first=first)
            else:
                check_residues(aparam, atype, where, first=first)


def _check_types(config: Config, data: DataSet) -> None:
    """Refuse atoms of types that a model without names does not have, and warn of lost names.

    Raises:
        DataError: A number is too large.
    """
    ntypes = config.model.ntypes
    data.check_types(
        ntypes, f"model/descriptor/sel is for {ntypes}; extend sel, or set model/type_map."
    )
    if data.type_map:
        pairs = ", ".join(f"{kind} is {name}" for kind, name in enumerate(data.type_map))
        log.warning(
            "the input has no model/type_map, so types are only numbers (in these data %s); "
            "set it to store the names in the model",
            pairs,
        )
