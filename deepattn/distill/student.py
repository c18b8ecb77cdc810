"""Training a student, and exporting it as the fastest model that an unmodified DeePMD-kit runs."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from deepattn.config import Config, ModelConfig, normalize, upgrade
from deepattn.distill.config import LaterConfig
from deepattn.distill.potential import ModelPotential
from deepattn.errors import ConfigError, ModelFileError
from deepattn.export import compress, freeze
from deepattn.models import open_model_file
from deepattn.train import Trainer, WeightSource, from_checkpoint
from deepattn.train.pretrained import Pretrained

log = logging.getLogger(__name__)


class PretrainedModel(NamedTuple):
    """A model file to fine-tune, and the branch of it, if it has several."""

    path: str
    branch: str | None

    def source(self) -> WeightSource:
        """Its weights.

        Raises:
            ModelFileError: There is no such file or branch.
        """
        return Pretrained(self.path).single(self.branch)

    def config(self) -> ModelConfig:
        """The configuration of the model.

        Raises:
            ModelFileError: As for `source`.
        """
        model = self.source().model
        assert model is not None  # of a file
        return model

    def potential(self) -> ModelPotential | None:
        """Its energies and forces; None for a multi-task model of which no branch is taken.

        Raises:
            ModelFileError: There is no such file.
        """
        file = open_model_file(self.path)
        if file.branches is None:
            return ModelPotential(self.path)
        name = None if self.branch is None else file.branch_of(self.branch)
        return None if name is None else ModelPotential(self.path, name)


_CHECKPOINT = "model.ckpt"
_GRAPH = "model.pb"


def train_student(
    student: Mapping[str, Any],
    *,
    systems: Sequence[str],
    folder: Path,
    seed: int,
    previous: Path | None = None,
    later: LaterConfig,
    pretrained: PretrainedModel | None = None,
) -> Path:
    """Train a student, or resume its training.

    Args:
        student: Input without ``training/training_data/systems``.
        systems: Labeled frames.
        folder: Of the student.
        seed: Of the training and, unless the input names others, of the weights.
        previous: Folder of the student to start from, if it is not the first.
        later: Length and learning rate of a training that is not the first.
        pretrained: The model that the first training fine-tunes; the section ``model`` is its.

    Returns:
        The model: A compressed graph if the student can be compressed, a graph if it can be frozen,
        else its checkpoint.
    """
    folder.mkdir(parents=True, exist_ok=True)
    start = WeightSource()
    if pretrained is not None:
        start, student = pretrained.source().take_model_section(dict(student))
    full = _input(student, systems, folder, seed)
    if previous is not None:
        start, model = _start(previous, restart=False)
        _shorten(full, later)
        # Counted in fewer frames; the weights depend on it.
        full["model"]["descriptor"] = model.descriptor.to_dict()
    if (folder / f"{_CHECKPOINT}.h5").exists():
        start, _ = _start(folder, restart=True)
    trainer = Trainer(Config.from_dict(full), start=start, output=folder / "out.json")
    trainer.train()
    return _write(trainer, folder)


def _start(folder: Path, *, restart: bool) -> tuple[WeightSource, ModelConfig]:
    """The start from the checkpoint of a student, and its model."""
    start = from_checkpoint(folder / _CHECKPOINT, restart=restart)
    if not isinstance(start, WeightSource) or start.model is None:
        raise ModelFileError(f"{folder / _CHECKPOINT}: is not a single-task checkpoint")
    return start, start.model


def normalize_student(student: Mapping[str, Any]) -> dict[str, Any]:
    """The complete input of a student whose data are not known yet.

    Raises:
        ConfigError: A key is unknown, or a value not valid.
    """
    return _input(student, ["data"], Path(), 0)


def _input(
    student: Mapping[str, Any], systems: Sequence[str], folder: Path, seed: int
) -> dict[str, Any]:
    raw = copy.deepcopy(dict(student))
    raw["training"]["training_data"]["systems"] = list(systems)
    full = normalize(upgrade(raw))
    files = {"save_ckpt": str(folder / _CHECKPOINT), "disp_file": str(folder / "lcurve.out")}
    full["training"] |= {**files, "seed": seed}
    return full


def _shorten(full: dict[str, Any], later: LaterConfig) -> None:
    """Turn the input of a first training into that of a later one."""
    full["training"].pop("numb_epoch", None)
    full["training"]["numb_steps"] = later.numb_steps
    rate = full["learning_rate"]
    rate["start_lr"] = later.start_lr
    rate["stop_lr"] = min(rate["stop_lr"], later.start_lr)


def _write(trainer: Trainer, folder: Path) -> Path:
    model = trainer.model
    descriptor = model.descriptor
    if descriptor.passes_messages:
        log.info("%s: this model cannot be frozen; the checkpoint is used", folder)
        return folder / f"{_CHECKPOINT}.h5"
    if _has_portable_tables(trainer):
        if trainer.min_nbor_dist is None:
            raise ValueError("the neighbor statistics of the student's data are missing")
        model = compress(model, min_nbor_dist=trainer.min_nbor_dist)
    else:
        log.info("%s: this model cannot be compressed; it is frozen uncompressed", folder)
    return freeze(
        model,
        folder / _GRAPH,
        training_script=trainer.config.to_dict(),
        min_nbor_dist=trainer.min_nbor_dist,
    )


def _has_portable_tables(trainer: Trainer) -> bool:
    [config] = trainer.config.tasks.values()
    try:
        config.model.descriptor.check_compressible(fast=False)
    except ConfigError:
        return False
    return True
