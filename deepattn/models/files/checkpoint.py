"""Checkpoints (``.h5``) of one task or several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from deepattn.config import ModelConfig, MultiTaskConfig, is_multitask, normalize_model
from deepattn.config.loss import reads_hessian
from deepattn.errors import ConfigError, ModelFileError
from deepattn.formats.checkpoint import (
    AVERAGE,
    FISHER,
    LOW_RANK,
    MAGIC,
    OPTIMIZER,
    START,
    WEIGHTS,
    encode_checkpoint,
    parse_checkpoint,
    part_of,
)
from deepattn.formats.weight_names import BIAS
from deepattn.models.files.base import Branch, ModelFile, StoredModel
from deepattn.models.weights import refuse_uneven

if TYPE_CHECKING:
    from typing_extensions import Self


class CheckpointFile(ModelFile):
    """A checkpoint of deepattn.

    Attributes:
        arrays: weights and state of the optimizer by name.
        header: what the training needs besides.
    """

    kind = "a checkpoint"
    suffixes = (".h5",)

    def __init__(self, path: Path, content: bytes) -> None:
        super().__init__(path, content)
        self.arrays, self.header = parse_checkpoint(content, path)

    @classmethod
    def recognizes(cls, path: Path, start: bytes) -> bool:
        return start.startswith(MAGIC)

    @cached_property
    def tasks(self) -> MultiTaskConfig | None:
        """The configuration of a multi-task training; None for any other."""
        if not is_multitask(self.header["config"]):
            return None
        with self._reading_config():
            tasks = MultiTaskConfig.from_dict(self.header["config"])
            for config in tasks.tasks.values():
                normalize_model(config.model.to_dict())
            return tasks

    @property
    def branches(self) -> Mapping[str, Branch] | None:
        return None if self.tasks is None else self.tasks.branches

    @property
    def is_checkpoint(self) -> bool:
        return True

    @property
    def has_hessian(self) -> bool:
        return reads_hessian(self.stored().header["config"].get("loss", {}))

    @property
    def optimizer(self) -> dict[str, np.ndarray]:
        """State of the optimizer by name."""
        return part_of(self.arrays, OPTIMIZER)

    @property
    def average(self) -> dict[str, np.ndarray]:
        """The moving average of the trained weights by name; empty if there is none."""
        return part_of(self.arrays, AVERAGE)

    @property
    def first_weights(self) -> dict[str, np.ndarray]:
        """Weights by name that a fine-tuning is pulled towards; empty if it is not."""
        return part_of(self.arrays, START)

    @property
    def fisher(self) -> dict[str, np.ndarray]:
        """What each weight matters for old frames, by name; empty if it is not known."""
        return part_of(self.arrays, FISHER)

    @property
    def low_rank(self) -> dict[str, np.ndarray]:
        """Factors of the updates of low rank by name; empty if there are none."""
        return part_of(self.arrays, LOW_RANK)

    def energy_bias(self) -> np.ndarray:
        self.refuse_observables()
        arrays = self.stored().arrays
        self.refuse_several_biases(arrays)
        return arrays[BIAS]

    def with_energy_bias(self, bias: np.ndarray) -> Self:
        present = self.energy_bias()
        name = next(name for name, array in self.arrays.items() if array is present)
        return self._copy(arrays={**self.arrays, name: bias.astype(present.dtype)})

    def encode(self, target: Path) -> bytes:
        return bytes(encode_checkpoint(self.arrays, self.header))

    def _stored(self) -> StoredModel:
        head = self.chosen_branch()
        if head is None or self.tasks is None:
            with self._reading_config():
                config = ModelConfig.from_dict(normalize_model(self.header["config"]["model"]))
            arrays = part_of(self.arrays, WEIGHTS)
            header = dict(self.header)
        else:
            task = self.tasks.tasks[head]
            config = task.model
            arrays = part_of(self.arrays, f"{WEIGHTS}{head}/")
            header = {**self.header, "config": task.to_dict()}
        refuse_uneven(config, arrays, self.path)
        return StoredModel(config, arrays, header["interface_dtype"], header)

    @contextmanager
    def _reading_config(self) -> Iterator[None]:
        """Turn whatever a header, which may hold anything, makes the configuration raise into one
        error."""
        try:
            yield
        except (ConfigError, LookupError, TypeError, ValueError, AttributeError) as error:
            reason = str(error).rstrip(".") or type(error).__name__
            raise ModelFileError(
                f"{self.path}: the config in its header cannot be used: {reason}"
            ) from error
