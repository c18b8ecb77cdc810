"""The whole configuration as one typed tree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deepattn.config.model import ModelConfig
from deepattn.config.section import Section
from deepattn.config.training import (
    SCHEDULES,
    AdamConfig,
    EnerLossConfig,
    ScheduleConfig,
    TrainingConfig,
)


@dataclass(frozen=True)
class Config(Section):
    """Everything an input file says, with nothing left open.

    Field names are the keys of the file. ``to_dict`` gives the normalized input back, which
    DeePMD-kit 3.2 reads with the same meaning.
    """

    model: ModelConfig
    learning_rate: ScheduleConfig
    loss: EnerLossConfig
    optimizer: AdamConfig
    training: TrainingConfig

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Config:
        """Build from what `normalize` returns."""
        rate = data["learning_rate"]
        return cls(
            model=ModelConfig.from_dict(data["model"]),
            learning_rate=SCHEDULES[rate["type"]].from_dict(rate),
            loss=EnerLossConfig.from_dict(data["loss"]),
            optimizer=AdamConfig.from_dict(data["optimizer"]),
            training=TrainingConfig.from_dict(data["training"]),
        )

    @property
    def tasks(self) -> dict[str, Config]:
        """The configuration of each branch, as of `MultiTaskConfig`: one without a name."""
        return {"": self}

    def with_tasks(self, tasks: Mapping[str, Config]) -> Config:
        """The configuration of the one branch among `tasks`."""
        return tasks[""]
