"""The weights that a training begins with: from statistics of the data, or from files."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from deepattn.train.initialize.finetune import fit_to_data
from deepattn.train.initialize.new_elements import add_elements, new_types_of
from deepattn.train.initialize.scratch import set_statistics
from deepattn.train.task import Task
from deepattn.train.weight_source import WeightSource

log = logging.getLogger(__name__)

_ANNOUNCED = {
    "init_model": "initialize from model %s",
    "init_weights": "initialize from the weights of model %s, without its optimizer",
    "restart": "restart from model %s",
    "init_frz_model": "initialize training from the frozen model %s",
    "finetune": "initialize training from the pretrained model %s",
    "resume": "continue with the unchanged model %s",
}


def initialize_weights(tasks: Sequence[Task]) -> None:
    """Set the weights of all models from the sources of the tasks.

    Args:
        tasks: The tasks, all of which start from scratch, or from one file.

    Raises:
        DataError: The data lack what statistics or a fine-tuning need.
        ModelFileError: The weights of a file do not fit.
    """
    if tasks[0].start.mode == "scratch":
        log.info("computing the statistics of the training data")
        set_statistics(tasks)
        log.info("initialize model from scratch")
        return
    for task in tasks:
        log.info("%s%s", f"{task.name}: " if task.name else "", _announced(task.start))
    set_weights(tasks)
    for task in tasks:
        if task.start.mode == "finetune":
            fit_to_data(task)


def set_weights(tasks: Sequence[Task]) -> None:
    """Set the weights of all models to those that the tasks start from.

    A fitting net that is to be new keeps its initial weights, and weights that tasks share are
    those of the first.

    Raises:
        DataError: No frame has an element that is to be added.
        ModelFileError: The weights do not fit, or no element can be added without changing the
            model for the others.
    """
    for task in reversed(tasks):
        model, start = task.model, task.start
        weights = start.weights_for(task.config.model)
        new_types = new_types_of(task)
        if new_types:
            weights = add_elements(weights, model, task.config.model, task.data, new_types)
        if start.random_fitting:
            fitting = model.fitting.named_variables()
            others = set(model.named_variables()) - set(fitting)
            weights = {name: array for name, array in weights.items() if name in others}
            weights |= {name: variable.numpy() for name, variable in fitting.items()}
        model.set_arrays(weights)


def _announced(start: WeightSource) -> str:
    head = f", branch {start.head}" if start.head else ""
    fitting = ", with a new fitting net" if start.random_fitting else ""
    return _ANNOUNCED[start.mode] % start.path + head + fitting
