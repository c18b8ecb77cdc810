"""The first weights of a model from scratch: statistics of the data and the energy bias."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import keras
import numpy as np

from deepattn.data import Batch
from deepattn.data.virtual_atoms import with_virtual_atoms
from deepattn.errors import DataError
from deepattn.formats.weight_names import of_model
from deepattn.registry import resolve
from deepattn.statistics.env_mat import EnvMatSums
from deepattn.statistics.input_blocks import InputBlock, input_blocks
from deepattn.statistics.moments import input_sums, mean_and_inverse, normalization, parameter_sums
from deepattn.statistics.origin import check_origin
from deepattn.statistics.stat_file import StatFile
from deepattn.train.task import Task


def set_statistics(tasks: Sequence[Task]) -> None:
    """Set input statistics, those of frame and atomic parameters, and those of the labels.

    Statistics that tasks share are of the data of all of them: the sums over the environment
    matrices are added as they are, those of parameters by the weights of the tasks.

    Args:
        tasks: The tasks, whose models' variables are assigned; ``sel`` is a number.
    """
    for task in tasks:
        stat_file = _stat_file(task)
        if stat_file is not None and task.config.training.stat_file_mode == "update":
            check_origin(stat_file, task.data)
    for task in tasks:
        set_output_statistics(task)
        # Other backends have one energy bias for a combination.
        for one in _further(task) if not task.config.model.is_common else ():
            set_output_statistics(one)
    _set_input_statistics([one for task in tasks for one in (task, *_further(task))])
    set_parameter_statistics(tasks)


def set_output_statistics(task: Task) -> None:
    """Set what the labels determine without a network, such as the energy bias."""
    section = task.config.model
    compute = resolve(section.fitting_net.statistics)
    variables = task.model.named_variables()
    for name, value in compute(partial(_batches, task), section, _stat_file(task)).items():
        variables[name].assign(value / section.bias_factor)


def _further(task: Task) -> list[Task]:
    """The further models of a combination that are trained, each as a task of its own."""
    models = task.model.trained_models()
    return [
        replace(
            task,
            config=replace(task.config, model=section),
            model=models[of_model("", place)],
        )
        for place, section in task.config.model.further.items()
    ]


def set_parameter_statistics(tasks: Sequence[Task]) -> None:
    """Set mean and spread of frame and atomic parameters."""
    shared: dict[int, tuple[Task, str, np.ndarray]] = {}
    most = max(task.weight for task in tasks)
    for task in tasks:
        for name in ("fparam", "aparam"):
            width = task.config.model.fitting_net.parameters[name]
            if not width:
                continue
            sums = parameter_sums(_batches(task), name, stat_file=_stat_file(task))
            if len(sums) != width:
                raise DataError(
                    f"stat_file {task.config.training.stat_file} has {len(sums)} {name}, but "
                    f"the model has {width}; delete the file"
                )
            key = id(_parameter_variables(task, name)[0])
            base, _, total = shared.get(key, (task, name, np.zeros_like(sums)))
            shared[key] = base, name, total + sums * (task.weight / most)
    for base, name, total in shared.values():
        protect = base.config.model.data_stat_protect
        values = mean_and_inverse(total, protect=protect)
        for variable, value in zip(_parameter_variables(base, name), values, strict=True):
            variable.assign(value)


def _set_input_statistics(tasks: Sequence[Task]) -> None:
    shared: dict[int, tuple[Task, InputBlock, EnvMatSums]] = {}
    for task in tasks:
        variables = task.model.named_variables()
        for block in input_blocks(task.config.model):
            sums = input_sums(_batches(task), block.shape, stat_file=_stat_file(task))
            key = id(variables[block.davg])
            known = shared.get(key)
            shared[key] = task, block, sums if known is None else known[2] + sums
    for task, block, sums in shared.values():
        variables = task.model.named_variables()
        statistics = normalization(sums, block.shape, set_davg_zero=block.set_davg_zero)
        for name, value in ((block.davg, statistics.davg), (block.dstd, statistics.dstd)):
            variables[name].assign(value.reshape(variables[name].shape))


def _batches(task: Task) -> Iterator[Batch]:
    # Drawn anew for each use, always the same: keeping them would cost memory.
    count = task.config.model.data_stat_nbatch
    batches = (batch for _, batch in task.data.statistics_batches(count))
    spin = task.config.model.given_spin
    if spin is None:
        return batches
    return (Batch(with_virtual_atoms(inputs, spin), labels) for inputs, labels in batches)


def _stat_file(task: Task) -> StatFile | None:
    training = task.config.training
    if training.stat_file is None:
        return None
    fixed = training.stat_file_mode == "read"
    return StatFile(training.stat_file, task.config.model.type_map, fixed=fixed)


def _parameter_variables(task: Task, name: str) -> list[keras.Variable]:
    variables = task.model.named_variables()
    return [variables[f"fitting_attr/t_{name}_{statistic}"] for statistic in ("avg", "istd")]
