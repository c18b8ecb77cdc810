"""Writing the state of a training to a checkpoint, and taking it up again."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from deepattn.config import Config
from deepattn.data.sampler import Sampler
from deepattn.errors import ModelFileError
from deepattn.formats.checkpoint import OPTIMIZER, WEIGHTS, write_checkpoint
from deepattn.models import EnergyModel
from deepattn.train.batches import Batches
from deepattn.train.nan_guard import check_weights
from deepattn.train.optimizer import Adam


class Saver:
    """Writes checkpoints of one training.

    Args:
        model: the model.
        optimizer: its optimizer.
        config: the complete configuration, stored with every checkpoint.
        min_nbor_dist: shortest distance in the training data, Å, or None.
        chief: whether this process writes the files; with several workers one does.
    """

    def __init__(
        self,
        model: EnergyModel,
        optimizer: Adam,
        config: Config,
        *,
        min_nbor_dist: float | None,
        chief: bool = True,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.config = config
        self.min_nbor_dist = min_nbor_dist
        self.chief = chief
        self.last: Path | None = None

    def save(self, step: int, batches: Batches, validation: Sampler | None) -> None:
        """Write the checkpoint of a step.

        Args:
            step: updates done.
            batches: training data, at the place of the next batch.
            validation: sampler of the validation data, or None.

        Raises:
            NonFiniteError: a weight is not finite; nothing is written then.
            OSError: the file cannot be written; older checkpoints stay as they are.
        """
        weights = self.model.get_arrays()
        check_weights(weights, step=step, advice=self.advice())
        if not self.chief:
            return
        state = self.optimizer.get_arrays(self.model.named_variables())
        arrays = {WEIGHTS + name: array for name, array in weights.items()}
        arrays |= {OPTIMIZER + name: array for name, array in state.items()}
        header = {
            "config": self.config.to_dict(),
            "interface_dtype": self.model.interface_dtype,
            "min_nbor_dist": self.min_nbor_dist,
            "step": step,
            "sampler": batches.state(),
            "validation_sampler": None if validation is None else validation.state(),
        }
        training = self.config.training
        prefix = Path(training.save_ckpt)
        os.makedirs(prefix.parent, exist_ok=True)
        self.last = write_checkpoint(str(prefix), step, arrays, header, keep=training.max_ckpt_keep)

    def advice(self) -> str:
        """What to go on from after a failure, in words."""
        if self.last is None:
            return "no checkpoint has been written yet: start again"
        return f"go on from {self.last}, which is good,"


def restore_optimizer(
    optimizer: Adam,
    model: EnergyModel,
    arrays: Mapping[str, np.ndarray],
    *,
    path: str,
    keep_step: bool,
) -> None:
    """Set an optimizer to the state in a checkpoint.

    Weights that were not trained before and are now get fresh moments.

    Args:
        optimizer: built on the model's trainable weights.
        model: the model.
        arrays: state by name.
        path: the checkpoint, for the message of an error.
        keep_step: take over the number of updates too; otherwise it is 0.

    Raises:
        ModelFileError: the checkpoint lacks the state of the optimizer.
    """
    names = model.named_variables()
    state: dict[str, Any] = dict(optimizer.get_arrays(names))
    for name in ("iteration", "beta1_power", "beta2_power"):
        if name not in arrays:
            raise ModelFileError(f"{path}: holds no state of the optimizer ({name} is missing).")
    state.update({name: arrays[name] for name in state if name in arrays})
    if not keep_step:
        state["iteration"] = 0
    optimizer.set_arrays(names, state)
