"""Where the weights of a training come from."""

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from deepattn.config import (
    Config,
    Difference,
    ModelConfig,
    enumerate_differences,
    merge_pretrained,
    model_differences,
    replace_model,
    take_sel,
)
from deepattn.data.type_map import names_or_numbers
from deepattn.errors import ConfigError, ModelFileError
from deepattn.models import ModelFile, open_model_file, resize_statistics
from deepattn.models.dpmodel import conventions_differ
from deepattn.models.files.checkpoint import CheckpointFile

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WeightSource:
    """Where the weights of a task come from: `scratch`, drawn anew, or a file.

    Attributes:
        mode: ``scratch``, ``init_model``, ``restart``, ``init_frz_model``, ``finetune``,
            ``init_weights``: of a checkpoint of DeePMD-kit, without its optimizer, or ``resume``: a
            branch of a fine-tuning that is trained on unchanged.
        path: The file as it was named.
        file: The file as it was read.
        head: Branch in the file, if it holds a multi-task model.
        model: Configuration of the model in the file.
        weights: Its arrays by name.
        optimizer: State of the optimizer by name; empty if it starts afresh.
        average: Moving average of the trained weights by name; empty if there is none.
        first_weights: Weights by name that a fine-tuning is pulled towards; empty if it is not.
        fisher: What each weight matters for old frames, by name; empty if it is not known.
        low_rank: Factors of the updates of low rank by name; empty if there are none.
        header: Header of a checkpoint.
        min_nbor_dist: Shortest distance in the data the file was trained on, Å, or None.
        target_types: Fine-tuning: elements whose energy bias is fitted; None for those of the data.
        random_fitting: Fine-tuning: the fitting net is new, and so is the energy bias.
    """

    mode: str = "scratch"
    path: str = ""
    file: ModelFile | None = field(default=None, repr=False, compare=False)
    head: str | None = None
    model: ModelConfig | None = None
    weights: Mapping[str, np.ndarray] = field(default_factory=dict)
    optimizer: Mapping[str, np.ndarray] = field(default_factory=dict)
    average: Mapping[str, np.ndarray] = field(default_factory=dict)
    first_weights: Mapping[str, np.ndarray] = field(default_factory=dict)
    fisher: Mapping[str, np.ndarray] = field(default_factory=dict)
    low_rank: Mapping[str, np.ndarray] = field(default_factory=dict)
    header: Mapping[str, Any] = field(default_factory=dict)
    min_nbor_dist: float | None = None
    target_types: tuple[str, ...] | None = None
    random_fitting: bool = False

    @property
    def step(self) -> int:
        """Updates already done; only a restart has any."""
        return self.header["step"] if self.mode == "restart" else 0

    def model_section(self, given: Any) -> dict[str, Any]:
        """The section ``model`` of the file, of which there is one.

        A convention that only the arithmetic of trainings depends on is not named in files; it is
        that of the input.

        Args:
            given: The section of the input.
        """
        assert self.model is not None
        section = self.model.to_dict()
        own = given.get("convention") if isinstance(given, dict) else None
        if own and not (self.model.convention or conventions_differ(self.model, self.weights)):
            section["convention"] = own
        return section

    def take_model_section(self, raw: Mapping[str, Any]) -> tuple["WeightSource", dict[str, Any]]:
        """The input with the model of the file, for fine-tuning or ``--use-pretrain-script``.

        Args:
            raw: The input as loaded.

        Returns:
            The start, with ``target_types`` if it is a fine-tuning, and the new input.
        """
        if self.model is None:
            raise ConfigError("--use-pretrain-script needs --init-model or --init-frz-model.")
        script = {"model": self.model_section(raw.get("model"))}
        if self.mode != "finetune":
            return self, replace_model(dict(raw), script)
        merged = merge_pretrained(dict(raw), script, new_fitting=self.random_fitting)
        targets = None if merged.target_types is None else tuple(merged.target_types)
        return replace(self, target_types=targets), merged.input

    def adapt(self, config: Config, *, place: Callable[[str], str] = str) -> Config:
        """The configuration with what the file contains: an automatic ``sel``, a bias of types.

        Differences without effect on what the weights compute are logged.

        Args:
            config: The configuration of the branch.
            place: Gives the path in the input of a key such as ``model/descriptor/rcut``.

        Raises:
            ModelFileError: The configuration is of another model.
        """
        if self.model is None:
            return config
        known, wanted = self.model.type_map, config.model.type_map
        if not wanted and len(known) == config.model.ntypes:
            config = replace(config, model=replace(config.model, type_map=known))
            wanted = known
        elif not known and len(wanted) == self.model.ntypes:
            known = wanted
        # Only the input of a single task may name further elements.
        grown = self.target_types is not None and wanted[: len(known)] == known
        if wanted != known and not grown:
            names = names_or_numbers(known, self.model.ntypes)
            others = names_or_numbers(wanted, config.model.ntypes)
            raise ModelFileError(
                f"{self.path}: has the types {' '.join(names)}, but the input has "
                f"{' '.join(others)}; {place('model/type_map')} must be the same."
            )
        theirs, ours = self.model.descriptor, config.model.descriptor
        if type(theirs) is not type(ours):
            raise ModelFileError(
                f"{self.path}: has the descriptor {theirs.type}, but the input has "
                f"{ours.type}; {place('model/descriptor/type')} must be the same."
            )
        same = self.model.is_common == config.model.is_common
        if not same and conventions_differ(config.model, self.weights):
            stored, given = (m.convention or "tensorflow" for m in (self.model, config.model))
            raise ModelFileError(
                f"{self.path}: has the convention {stored}, but the input has {given}; "
                f"{place('model/convention')} must be the same."
            )
        config = take_sel(config, self.model)
        self._compare(self.model, config.model, place)
        embedding = config.model.type_embedding
        if embedding is None:
            return config
        embedding = replace(embedding, use_tebd_bias="type_embed_net/bias_1" in self.weights)
        return replace(config, model=replace(config.model, type_embedding=embedding))

    def _compare(
        self, stored: ModelConfig, given: ModelConfig, place: Callable[[str], str]
    ) -> None:
        """Refuse a section that makes another model of the weights; log other differences.

        Raises:
            ModelFileError: There is one.
        """
        changes, remarks = model_differences(stored, given)
        if self.random_fitting:
            changes, remarks = (
                [d for d in some if not d.key.startswith("fitting_net/")]
                for some in (changes, remarks)
            )
        if changes:
            listed = enumerate_differences(
                changes, lambda d: f"{place(f'model/{d.key}')} is {d.shown[0]}, not {d.shown[1]}"
            )
            raise ModelFileError(
                f"{self.path}: differs from the model of the input: in the file {listed}; "
                "change the input, or use --use-pretrain-script"
            )
        if remarks:
            listed = enumerate_differences(
                remarks, lambda d: str(Difference(place(f"model/{d.key}"), d.stored, d.given))
            )
            log.info("since %s, without effect on what its weights compute: %s", self.path, listed)

    def weights_for(self, config: ModelConfig) -> dict[str, np.ndarray]:
        """The arrays, fitted to the number of neighbor slots of the configuration.

        Raises:
            ModelFileError: The slots differ and that would change the model.
        """
        descriptor = config.descriptor
        if descriptor.fixed_slots:
            return dict(self.weights)
        [matrix] = descriptor.env_mats()
        try:
            return resize_statistics(
                self.weights,
                sum(matrix.sel),
                davg_is_zero=matrix.set_davg_zero,
                smooth_attention=descriptor.counts_empty_slots,
            )
        except ModelFileError as error:
            raise ModelFileError(f"{self.path}: {error}") from None


def from_checkpoint(
    path: str | os.PathLike, *, restart: bool
) -> WeightSource | dict[str, WeightSource]:
    """Start from a checkpoint, ours or one of DeePMD-kit's PyTorch backend.

    Args:
        path: The file, its prefix, or its folder.
        restart: Resume at its step; otherwise begin at step 0 with its weights and moments. Of a
            checkpoint of DeePMD-kit the weights are taken alone, as DeePMD-kit does.

    Returns:
        The source; for a multi-task checkpoint one for each branch by name.
    """
    file = open_model_file(path)
    if not file.is_checkpoint:
        raise ModelFileError(f"{path}: is {file.kind}, not a checkpoint of a training")
    common: dict[str, Any] = {"mode": "init_weights"}
    if isinstance(file, CheckpointFile):
        common = {
            "mode": "restart" if restart else "init_model",
            # Those of the whole training, also of a multi-task one.
            "header": file.header,
            "optimizer": file.optimizer,
            "average": file.average,
            "first_weights": file.first_weights,
            "fisher": file.fisher,
            "low_rank": file.low_rank,
        }
    elif restart:
        raise ModelFileError(
            f"{path}: is a checkpoint of DeePMD-kit, which alone can resume that training; "
            "start a new one from its weights with --init-model"
        )
    if file.branches is None:
        return replace(of_file(file, path), **common)
    return {
        head: replace(of_file(file.branch(head), path, head), **common) for head in file.branches
    }


def from_frozen(path: str | os.PathLike) -> WeightSource:
    """Start from the weights of a model that is not the state of a training.

    Args:
        path: A frozen graph, a ``.dp`` or YAML file, or a file of PyTorch.
    """
    file = open_model_file(path)
    if isinstance(file, CheckpointFile):
        raise ModelFileError(f"{path}: is a checkpoint, not a frozen model; use --init-model")
    if file.several:
        raise ModelFileError(
            f"{path}: holds a multi-task model; start from one of its branches with --finetune and "
            f"--model-branch: {', '.join(file.branches or ())}"
        )
    return of_file(file, path)


def of_file(file: ModelFile, path: str | os.PathLike, head: str | None = None) -> WeightSource:
    """Start from the weights of a model file, at step 0.

    Args:
        file: The file, of a multi-task model with the branch chosen.
        path: Its name, for messages.
        head: Name of that branch.
    """
    stored = file.stored()
    return WeightSource(
        mode="init_frz_model",
        path=str(path),
        file=file,
        head=head,
        model=stored.config,
        weights=stored.arrays,
        header=stored.header,
        min_nbor_dist=stored.header["min_nbor_dist"],
    )
