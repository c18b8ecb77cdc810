"""Fitting a pretrained model to new data before the training: its energy bias, its elements."""

import logging
from collections.abc import Mapping
from functools import partial

import numpy as np

from deepattn.config import Config
from deepattn.data import DataSet
from deepattn.errors import DataError
from deepattn.infer import DeepPot
from deepattn.layers.energy_fitting import BIAS
from deepattn.models import EnergyModel
from deepattn.train.energy_bias import change_by_statistic
from deepattn.train.new_elements import add_elements
from deepattn.train.start import Start

log = logging.getLogger(__name__)


def set_pretrained(model: EnergyModel, start: Start, config: Config, data: DataSet) -> None:
    """Set the weights of a pretrained model, its energy bias shifted to fit the training data.

    The errors that the shift makes up for are those of the unmodified file; with elements that it
    lacks, those of the model with these added.

    Args:
        model: the model, whose variables are assigned.
        start: the pretrained model.
        config: the configuration of the fine-tuning.
        data: the training data.

    Raises:
        DataError: a system does not name its elements, or has one that is no target; no frame has
            an element that is to be added.
        ModelFileError: no element can be added without changing the model for the others.
    """
    targets = start.target_types or named_types(data)
    log_type_table(data, targets)
    weights = start.weights_for(config.model)
    new_types = config.model.type_map[len(start.model.type_map) :]
    if new_types:
        weights = add_elements(weights, model, config.model, data, new_types)
        model.set_arrays(weights)

        def predict(inputs: Mapping[str, np.ndarray]) -> np.ndarray:
            return np.asarray(model(inputs)["energy"])
    else:
        predict = partial(predict_energies, DeepPot(start.path))
    weights[BIAS] = change_by_statistic(
        data,
        predict,
        weights[BIAS],
        target_types=targets,
        nsample=config.model.data_bias_nsample,
        new_types=new_types,
    )
    model.set_arrays(weights)


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
        DataError: a system does not name its elements, so that its numbers could mean anything.
    """
    systems = {name: 0 for name in targets}
    for system in data.systems:
        if system.data_type_map is None:
            raise DataError(
                f"{system.path} has no type_map.raw; fine-tuning goes by the names of elements, "
                "so add one."
            )
        for name in system.data_type_map:
            systems[name] = systems.get(name, 0) + 1
    log.info("Elements and the types of the pretrained model that they are:")
    log.info("%8s %12s %22s", "element", "model type", "systems that name it")
    for name, count in systems.items():
        if name in data.type_map:
            log.info("%8s %12d %22d", name, data.type_map.index(name), count)


def named_types(data: DataSet) -> tuple[str, ...]:
    """Elements that the data name, in the order of the model."""
    named = {name for system in data.systems for name in system.data_type_map or ()}
    return tuple(name for name in data.type_map if name in named)
