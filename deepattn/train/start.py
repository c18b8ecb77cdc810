"""Where the weights of a training come from."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from deepattn.config import (
    Config,
    Dpa2Config,
    ModelConfig,
    merge_pretrained,
    replace_model,
    with_sel,
)
from deepattn.errors import ConfigError, ModelFileError
from deepattn.formats.checkpoint import OPTIMIZER, part_of, read_checkpoint
from deepattn.formats.dp_file import SUFFIXES
from deepattn.models import StoredModel, read_model, resize_statistics
from deepattn.models.load import model_of_checkpoint, tasks_of
from deepattn.models.neutral import conventions_differ

# What may differ between a pretrained model and the input without making another model of it.
_FREE = ("type", "seed", "trainable", "trainable_ln", "rcond", "precision", "sel", "nsel")


@dataclass(frozen=True)
class Start:
    """What a branch of a training begins with; `scratch` is drawn anew, all else is from a file.

    Attributes:
        mode: ``scratch``, ``init_model``, ``restart``, ``init_frz_model``, ``finetune``, or
            ``resume``: a branch of a fine-tuning that goes on as it is.
        path: the file.
        head: branch in the file, if that is of several tasks.
        model: configuration of the model in the file.
        weights: its arrays by name.
        optimizer: state of the optimizer by name; empty if it starts afresh.
        header: header of a checkpoint.
        min_nbor_dist: shortest distance in the data the file was trained on, Å, or None.
        target_types: fine-tuning: elements whose energy bias is fitted; None for those of the data.
        random_fitting: fine-tuning: the fitting net is new, and so is the energy bias.
    """

    mode: str = "scratch"
    path: str = ""
    head: str | None = None
    model: ModelConfig | None = None
    weights: Mapping[str, np.ndarray] = field(default_factory=dict)
    optimizer: Mapping[str, np.ndarray] = field(default_factory=dict)
    header: Mapping[str, Any] = field(default_factory=dict)
    min_nbor_dist: float | None = None
    target_types: tuple[str, ...] | None = None
    random_fitting: bool = False

    @property
    def step(self) -> int:
        """Updates already done; only a restart has any."""
        return self.header["step"] if self.mode == "restart" else 0

    def take_model_section(self, raw: Mapping[str, Any]) -> tuple["Start", dict[str, Any]]:
        """The input with the model of the file, for fine-tuning or ``--use-pretrain-script``.

        Args:
            raw: the input as loaded.

        Returns:
            The start, with ``target_types`` if it is a fine-tuning, and the new input.
        """
        if self.model is None:
            raise ConfigError("--use-pretrain-script needs --init-model or --init-frz-model.")
        script = {"model": self.model.to_dict()}
        if self.mode != "finetune":
            return self, replace_model(dict(raw), script)
        merged = merge_pretrained(dict(raw), script)
        targets = None if merged.target_types is None else tuple(merged.target_types)
        return replace(self, target_types=targets), merged.input

    def adapt(self, config: Config) -> Config:
        """The configuration with what only the weights tell: a bias in the type embedding.

        Raises:
            ModelFileError: the type maps or the conventions differ.
        """
        if self.model is None:
            return config
        known, wanted = self.model.type_map, config.model.type_map
        if not wanted and len(known) == config.model.ntypes:
            config = replace(config, model=replace(config.model, type_map=known))
            wanted = known
        # Only the input of a single task may name further elements.
        grown = self.target_types is not None and wanted[: len(known)] == known
        if known and wanted != known and not grown:
            raise ModelFileError(
                f"{self.path}: has the types {' '.join(known)}, the input {' '.join(wanted)}; "
                "model/type_map must be the same."
            )
        kinds = [section.descriptor.type for section in (self.model, config.model)]
        if ("dpa2" in kinds) and kinds[0] != kinds[1]:
            raise ModelFileError(
                f"{self.path}: has the descriptor {kinds[0]}, the input {kinds[1]}; "
                "model/descriptor/type must be the same."
            )
        same = self.model.is_common == config.model.is_common
        if not same and conventions_differ(config.model, self.weights):
            ours, theirs = (m.convention or "tensorflow" for m in (self.model, config.model))
            raise ModelFileError(
                f"{self.path}: has the convention {ours}, the input {theirs}; "
                "model/convention must be the same."
            )
        if self.mode in ("finetune", "resume"):
            config = self._with_sel(config)
            if wanted == known:
                self._refuse_other_network(config.model)
        embedding = config.model.type_embedding
        if embedding is None:
            return config
        embedding = replace(embedding, use_tebd_bias="type_embed_net/bias_1" in self.weights)
        return replace(config, model=replace(config.model, type_embedding=embedding))

    def _with_sel(self, config: Config) -> Config:
        """The configuration with the pretrained model's ``sel`` where its own is automatic."""
        if isinstance(config.model.descriptor.sel, str):
            return with_sel(config, self.model.descriptor.sel)
        return config

    def _refuse_other_network(self, config: ModelConfig) -> None:
        """Refuse options that would make another model of the same weights.

        Raises:
            ModelFileError: one differs.
        """
        parts = ["descriptor"] if self.random_fitting else ["descriptor", "fitting_net"]
        for part in parts:
            theirs, ours = (_flat(getattr(model, part).to_dict()) for model in (self.model, config))
            for key in ours:
                if key.split("/")[-1] not in _FREE and ours[key] != theirs.get(key, ours[key]):
                    raise ModelFileError(
                        f"{self.path}: has {part}/{key} {theirs[key]!r}, the input {ours[key]!r}; "
                        "change the input, or give --use-pretrain-script"
                    )

    def weights_for(self, config: ModelConfig) -> dict[str, np.ndarray]:
        """The arrays, fitted to the number of neighbour slots of the configuration.

        Raises:
            ModelFileError: the slots differ and that would change the model.
        """
        if isinstance(config.descriptor, Dpa2Config):
            # Its blocks divide by their numbers of slots, so that these cannot change.
            return dict(self.weights)
        sel = config.descriptor.sel
        nnei = sel if isinstance(sel, int) else sum(sel)
        try:
            return resize_statistics(
                self.weights, nnei, davg_is_zero=config.descriptor.set_davg_zero
            )
        except ModelFileError as error:
            raise ModelFileError(f"{self.path}: {error}") from None


def from_checkpoint(path: str | os.PathLike, *, restart: bool) -> Start | dict[str, Start]:
    """Start from a checkpoint of ours.

    Args:
        path: the file, its prefix, or its folder.
        restart: go on at its step; otherwise begin at step 0 with its weights and moments.

    Returns:
        The start; of several tasks one for each branch by name.
    """
    arrays, header = read_checkpoint(path)
    tasks = tasks_of(header, path)
    heads = [None] if tasks is None else list(tasks.branches)
    common = {
        "mode": "restart" if restart else "init_model",
        "optimizer": part_of(arrays, OPTIMIZER),
    }
    starts = {
        head: replace(
            of_model(model_of_checkpoint(arrays, header, path, head=head), path, head), **common
        )
        for head in heads
    }
    return starts.get(None) or starts


def from_frozen(path: str | os.PathLike) -> Start:
    """Start from the weights of a model that is no state of a training.

    Args:
        path: the ``.pb``, ``.dp`` or ``.yaml`` file.
    """
    if Path(path).suffix not in (".pb", *SUFFIXES):
        raise ModelFileError(
            f"{path}: is no frozen model; it must end in .pb, {', '.join(SUFFIXES)}"
        )
    return of_model(read_model(path), path)


def of_model(stored: StoredModel, path: str | os.PathLike, head: str | None = None) -> Start:
    """Start from the weights of a model, at step 0.

    Args:
        stored: the model.
        path: its file.
        head: branch in the file, if that is of several tasks.
    """
    return Start(
        mode="init_frz_model",
        path=str(path),
        head=head,
        model=stored.config,
        weights=stored.arrays,
        header=stored.header,
        min_nbor_dist=stored.header["min_nbor_dist"],
    )


def _flat(section: Mapping[str, Any]) -> dict[str, Any]:
    """Values by their paths."""
    values = {}
    for key, value in section.items():
        inner = _flat(value) if isinstance(value, dict) else {}
        values |= {f"{key}/{path}": v for path, v in inner.items()} or {key: value}
    return values
