"""The whole configuration as one typed tree, and the schema of a whole input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from dargs import Argument

from deepattn.config.argument import OfTasks, Refused
from deepattn.config.descriptor import DESCRIPTORS
from deepattn.config.fitting import FITTINGS
from deepattn.config.loss import LOSSES, LossConfig
from deepattn.config.model import ModelConfig
from deepattn.config.optimizer import OPTIMIZERS, OptimizerConfig
from deepattn.config.schedule import SCHEDULES, ScheduleConfig
from deepattn.config.section import Kind, Section, key, required
from deepattn.config.training import TrainingConfig
from deepattn.config.validating import ValidatingConfig

# The sections whose types determine the keys of an input.
KINDS: dict[str, type[Kind | ModelConfig]] = {
    "model": ModelConfig,
    "learning_rate": ScheduleConfig,
    "loss": LossConfig,
    "optimizer": OptimizerConfig,
}


@dataclass(frozen=True, kw_only=True)
class Config(Section):
    """A complete input file, with all defaults filled in.

    Field names are the keys of the file. ``to_dict`` gives the normalized input back, which
    DeePMD-kit 3.2 reads with the same meaning.
    """

    input_only = (
        Refused("nvnmd", hint="models for that hardware are not supported"),
        OfTasks("loss_dict"),
        Refused("learning_rate_dict", hint="all branches have one learning_rate"),
    )

    model: ModelConfig = required("The network.")
    learning_rate: ScheduleConfig = required("Schedule of the learning rate.")
    loss: LossConfig = key({}, "Loss: a weighted sum of squared errors.")
    optimizer: OptimizerConfig = key({}, "Optimizer.")
    training: TrainingConfig = required("Data, length and output files of the training.")
    validating: ValidatingConfig = key(
        {}, "Full validation: errors over all validation frames, and the checkpoints that are best."
    )

    @property
    def tasks(self) -> dict[str, Config]:
        """Configurations by branch, as in `MultiTaskConfig`; here one with an empty name."""
        return {"": self}

    def with_tasks(self, tasks: Mapping[str, Config]) -> Config:
        """The configuration of the one branch among `tasks`."""
        return tasks[""]


def input_schema(data: Any = None) -> Argument:
    """The schema of a whole input.

    Args:
        data: The input, whose types may be those of other packages.
    """
    if isinstance(data, Mapping):
        for name, kind in KINDS.items():
            kind.import_types(data.get(name))
    registries = (DESCRIPTORS, FITTINGS, SCHEDULES, LOSSES, OPTIMIZERS)
    return _schema(tuple(name for registry in registries for name in registry.loaded()))


@cache
def _schema(known: tuple[str, ...]) -> Argument:
    """The schema where these types are known."""
    return Argument("input", dict, Config.arguments())
