"""Models, schedule and optimizer of a training, from its configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras

from deepattn.config import Config, MultiTaskConfig
from deepattn.data import DataSet
from deepattn.errors import ConfigError
from deepattn.models import AtomicModel, build_model, build_models
from deepattn.optimizers import Optimizer, make_optimizer
from deepattn.schedules import Schedule, make_schedule
from deepattn.train.anchor import Anchor
from deepattn.train.checkpointing.saver import (
    all_variables,
    moved_variables,
    restore_optimizer,
)
from deepattn.train.distributed.strategy import Distribution
from deepattn.train.fisher import Fisher, estimate_fisher
from deepattn.train.initialize.patterns import new_weights
from deepattn.train.low_rank import LowRank
from deepattn.train.precision import interface_dtype
from deepattn.train.seeds import derive_seed
from deepattn.train.task import Task
from deepattn.train.weight_average import WeightAverage


def build_task_models(
    config: Config | MultiTaskConfig, distribution: Distribution
) -> dict[str, AtomicModel]:
    """The model of each task, with fresh weights.

    Args:
        config: Configuration with nothing left open.
        distribution: The devices that have the weights.
    """
    dtype = interface_dtype()
    with distribution.scope():
        if isinstance(config, MultiTaskConfig):
            models = build_models(config, interface_dtype=dtype)
        else:
            models = {"": build_model(config.model, interface_dtype=dtype)}
    for name, single in config.tasks.items():
        if single.training.mixed_precision is not None:
            models[name].multiply_in_bfloat16()
    return models


def build_schedule(config: Config, *, replicas: int) -> Schedule:
    """The schedule of the learning rate.

    Args:
        config: Configuration of one of the tasks; all have the same ``learning_rate``.
        replicas: Number of devices that share a batch.
    """
    return make_schedule(
        config.learning_rate,
        config.training.steps,
        workers=replicas,
        common=config.model.is_common,
    )


def check_accumulation(config: Config, distribution: Distribution) -> None:
    """Refuse to accumulate gradients on several devices.

    Args:
        config: Configuration of one of the tasks.
        distribution: The devices.

    Raises:
        ConfigError: They are to be accumulated there.
    """
    # TensorFlow cannot add up gradients of devices in a branch that only some steps take.
    if config.training.acc_freq > 1 and distribution.replicas > 1:
        raise ConfigError(
            f"training/acc_freq is {config.training.acc_freq}, which works on one device, but "
            f"there are {distribution.replicas}; set it to 1, or CUDA_VISIBLE_DEVICES to one GPU."
        )


def build_optimizer(
    tasks: Sequence[Task],
    schedule: Schedule,
    distribution: Distribution,
    low_rank: LowRank | None = None,
) -> Optimizer:
    """One optimizer for the models of all tasks, which are compiled with it.

    Its state is that of the checkpoint that the weights come from, if any.

    Args:
        tasks: The tasks, whose models have their weights.
        schedule: Schedule of the learning rate.
        distribution: The devices that have the weights.
        low_rank: The updates of low rank, if the weights get such.

    Raises:
        ModelFileError: The checkpoint lacks the state of the optimizer, or is to be resumed with
            another kind.
    """
    config, start = tasks[0].config, tasks[0].start
    with distribution.scope():
        optimizer = make_optimizer(
            config.optimizer,
            schedule,
            common=config.model.is_common,
            global_clipnorm=config.training.gradient_max_norm,
            accumulated=config.training.acc_freq,
        )
        for task in tasks:
            task.model.compile(optimizer=optimizer, loss=task.loss)
        optimizer.build(*moved_weights(tasks, low_rank))
    if start.mode in ("init_model", "restart"):
        # Without a restart the factors are new.
        resumed = low_rank if start.mode == "restart" else None
        names = moved_variables(tasks, resumed)
        restore_optimizer(optimizer, names, start, kind=config.optimizer.type)
    return optimizer


def build_anchor(
    tasks: Sequence[Task], distribution: Distribution, old_data: DataSet | None
) -> Anchor | None:
    """The pull of the trained weights towards those of the start, which all models then have.

    Args:
        tasks: The tasks, whose models have their weights.
        distribution: The devices that train together.
        old_data: Frames that show what each weight matters for, unless a checkpoint knows it.
    """
    section, start = tasks[0].config.training.finetune, tasks[0].start
    if section is None or not (section.l2_sp or section.ewc is not None):
        return None
    new = {number for task in tasks for number in new_weights(task)}
    variables = {n: v for n, v in _trained(tasks).items() if id(v) not in new}
    known = start.first_weights if start.mode == "restart" else {}
    fisher = None
    if section.ewc is not None:
        fisher = _importance(tasks[0], variables, distribution, old_data, frames=section.ewc.frames)
    anchor = Anchor(
        variables,
        section.l2_sp,
        arrays=known,
        ewc=0.0 if section.ewc is None else section.ewc.strength,
        fisher=fisher,
        start_lr=tasks[0].loss.start_lr,
    )
    for task in tasks:
        task.model.penalty = anchor
    return anchor


def _importance(
    task: Task,
    variables: Mapping[str, keras.Variable],
    distribution: Distribution,
    old_data: DataSet | None,
    *,
    frames: int,
) -> Fisher:
    """What each weight matters for old frames: that of a checkpoint, or a new estimate."""
    resumed = task.start.fisher if task.start.mode == "restart" else {}
    fisher = Fisher.of_arrays(resumed, list(variables))
    if fisher is not None:
        return fisher
    if old_data is None:
        raise ValueError("there are no frames to estimate the importance of weights from")
    seed = derive_seed(task.config.training.seed or 0, "ewc")
    fisher = estimate_fisher(
        task.model,
        task.loss,
        old_data,
        variables,
        frames=frames,
        seed=seed,
        distribution=distribution,
    )
    # Sums on other processors may round otherwise.
    return fisher.from_chief(distribution)


def build_average(tasks: Sequence[Task]) -> WeightAverage | None:
    """The moving average of the trained weights of all tasks, if the input has one kept.

    Args:
        tasks: The tasks, whose models have their weights.
    """
    training, start = tasks[0].config.training, tasks[0].start
    if not training.enable_ema:
        return None
    resumed = start.average if start.mode == "restart" else {}
    return WeightAverage(_trained(tasks), training.ema_decay, arrays=resumed)


def _trained(tasks: Sequence[Task]) -> dict[str, keras.Variable]:
    """The trained weights of all tasks by name, each once."""
    trained = {id(variable) for variable in trained_variables([t.model for t in tasks])[0]}
    return {n: v for n, v in all_variables(tasks).items() if id(v) in trained}


def moved_weights(
    tasks: Sequence[Task], low_rank: LowRank | None
) -> tuple[list[keras.Variable], list[int]]:
    """What the optimizer moves, and a number for each set of models that a weight is in.

    Args:
        tasks: The tasks.
        low_rank: The updates of low rank, whose factors stand for matrices, if there are any.
    """
    weights, groups = trained_variables([task.model for task in tasks])
    return (weights, groups) if low_rank is None else low_rank.replace(weights, groups)


def trained_variables(models: Sequence[AtomicModel]) -> tuple[list[keras.Variable], list[int]]:
    """The trained weights of all models once, and a number for each set of models they are in."""
    members: dict[int, tuple[keras.Variable, list[int]]] = {}
    for number, model in enumerate(models):
        for variable in model.trainable_variables:
            members.setdefault(id(variable), (variable, []))[1].append(number)
    sets = list(dict.fromkeys(tuple(numbers) for _, numbers in members.values()))
    variables = [variable for variable, _ in members.values()]
    return variables, [sets.index(tuple(numbers)) for _, numbers in members.values()]
