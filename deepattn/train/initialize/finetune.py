"""Fitting a pretrained model to new data before the training: its energy bias, its elements."""

import logging
from collections.abc import Mapping
from functools import partial

import numpy as np

from deepattn.data import DataSet
from deepattn.errors import ConfigError, DataError
from deepattn.formats.weight_names import BIAS
from deepattn.infer import DeepPot
from deepattn.statistics.energy_bias import change_by_statistic
from deepattn.train.initialize.new_elements import new_types_of
from deepattn.train.initialize.scratch import set_output_statistics, set_parameter_statistics
from deepattn.train.task import Task

log = logging.getLogger(__name__)


def fit_to_data(task: Task) -> None:
    """Fit what a fine-tuning takes from the training data rather than from the pretrained model.

    A fitting net that is taken over has its energy bias shifted. The errors that the shift makes up
    for are those of the unmodified file; with elements that it lacks, those of the model with these
    added. With a new fitting net bias and parameter statistics are those of a training from
    scratch.

    Raises:
        DataError: A system does not name its elements, or has one that is no target.
    """
    start, model = task.start, task.model
    targets = start.target_types or named_types(task.data)
    log_type_table(task.data, targets)
    fitting = task.config.model.fitting_net
    if fitting.observable is not None and not start.random_fitting:
        raise ConfigError(
            f"the branch {task.name} has the fitting {fitting.type}, of which only a new net is "
            f"fine-tuned; set model/model_dict/{task.name}/finetune_head to RANDOM."
        )
    if start.random_fitting:
        set_output_statistics(task)
        set_parameter_statistics([task])
        return
    new_types = new_types_of(task)
    if new_types:

        def predict(inputs: Mapping[str, np.ndarray]) -> np.ndarray:
            return np.asarray(model(inputs)["energy"])
    else:
        predict = partial(predict_energies, DeepPot(start.file or start.path, head=start.head))
    variable = model.named_variables()[BIAS]
    variable.assign(
        change_by_statistic(
            task.data,
            predict,
            variable.numpy(),
            names=task.config.model.type_map,
            target_types=targets,
            nsample=task.config.model.data_bias_nsample,
            new_types=new_types,
            excluded=task.config.model.atom_exclude_types,
        )
    )


def predict_energies(potential: DeepPot, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """Energies ``[nframes]`` (eV) of inputs as a `DataSet` gives them."""
    nframes = len(inputs["coord"])
    energy, *_ = potential.eval(
        inputs["coord"].reshape(nframes, -1),
        inputs["box"] if inputs["box"].any() else None,
        inputs["atype"],
        fparam=inputs.get("fparam"),
        aparam=inputs.get("aparam"),
        mixed_type=True,
    )
    return energy.reshape(-1)


def log_type_table(data: DataSet, targets: tuple[str, ...]) -> None:
    """Log which type of the model each element of the data becomes.

    Raises:
        DataError: A system does not name its elements, so that its numbers could mean anything.
    """
    systems = {name: 0 for name in targets}
    for system in data.systems:
        if system.data_type_map is None:
            raise DataError(
                f"{system.path} has no type_map.raw; add one, because fine-tuning matches "
                "elements by name."
            )
        for name in system.data_type_map:
            systems[name] = systems.get(name, 0) + 1
    log.info("Elements and their types in the pretrained model:")
    log.info("%8s %12s %22s", "element", "model type", "systems that name it")
    for name, count in systems.items():
        if name in data.type_map:
            log.info("%8s %12d %22d", name, data.type_map.index(name), count)


def named_types(data: DataSet) -> tuple[str, ...]:
    """Elements that the data name, in the order of the model."""
    named = {name for system in data.systems for name in system.data_type_map or ()}
    return tuple(name for name in data.type_map if name in named)
