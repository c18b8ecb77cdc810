"""Training: loss, schedules, optimizer, the loop, and fine-tuning."""

import deepattn.keras_backend  # noqa: F401
from deepattn.losses import EnergyLoss
from deepattn.optimizers import Adam
from deepattn.schedules import CosineSchedule, ExpSchedule, WsdSchedule, make_schedule
from deepattn.train.batches import make_dataset
from deepattn.train.file_bias import change_bias
from deepattn.train.monitoring.nan_guard import NonFiniteError
from deepattn.train.run import train
from deepattn.train.trainer import Trainer
from deepattn.train.weight_source import WeightSource, from_checkpoint, from_frozen

__all__ = [
    "Adam",
    "CosineSchedule",
    "EnergyLoss",
    "ExpSchedule",
    "NonFiniteError",
    "Trainer",
    "WeightSource",
    "WsdSchedule",
    "change_bias",
    "from_checkpoint",
    "from_frozen",
    "make_dataset",
    "make_schedule",
    "train",
]
