"""The ``training`` section."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deepattn.config.argument import OfTasks, Refused
from deepattn.config.argument import key as argument
from deepattn.config.descriptions import PYTORCH
from deepattn.config.finetune import FinetuneConfig
from deepattn.config.mixed_precision import MixedPrecisionConfig
from deepattn.config.ranges import FILE, FOLDER, holds, one_of, positive, within
from deepattn.config.sampling import check_probabilities, read_auto_prob, read_batch_size
from deepattn.config.section import Section, key, required
from deepattn.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class DataConfig(Section):
    """Location of data, and how batches are drawn from them."""

    systems: tuple[str, ...] = required(
        "Folders or HDF5 files that are searched for systems, and files of other codes "
        "(OUTCAR, vasprun.xml, .extxyz, …), relative to the working directory.",
        dtype=[str, list[str]],
        check=holds(lambda names: bool(names) and all(names), "name at least one folder"),
    )
    rglob_patterns: tuple[str, ...] | None = key(
        None,
        "Search below systems for folders that match these patterns.",
        check=holds(all, "have patterns"),
    )
    batch_size: int | tuple[int, ...] | str = key(
        "auto",
        "Frames per batch: a number, one number per system, auto (at least 32 atoms), "
        "auto:M (at least M atoms), max:M (at most M atoms), filter:M (the same, without "
        "larger systems), mixed:B (B frames of any systems).",
        check=read_batch_size,
    )
    auto_prob: str = key(
        "prob_sys_size",
        "How systems are drawn: prob_uniform, prob_sys_size (by number of batches), or "
        "prob_sys_size;start:end:weight;… for blocks of systems.",
        alias=("auto_prob_style",),
        check=read_auto_prob,
    )
    sys_probs: tuple[float, ...] | None = key(
        None,
        "Probability of each system, instead of auto_prob; negative ones share the rest.",
        alias=("sys_weights",),
        check=check_probabilities,
    )

    @classmethod
    def resolve_defaults(cls, section: dict[str, Any]) -> None:
        """Resolve defaults that depend on other keys, in place."""
        if isinstance(section["systems"], str):
            section["systems"] = [section["systems"]]


@dataclass(frozen=True, kw_only=True)
class TrainingDataConfig(DataConfig):
    """Data to train on."""

    input_only = (Refused("min_pair_dist", 0.0, hint=PYTORCH),)


@dataclass(frozen=True, kw_only=True)
class ValidationDataConfig(DataConfig):
    """Data to evaluate on."""

    numb_btch: int = key(
        1, "Number of batches per evaluation.", alias=("numb_batch",), check=within(1)
    )


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(Section):
    """Data, length and files of a training; one of ``numb_steps`` and ``numb_epoch`` is None."""

    input_only = (
        OfTasks("data_dict"),
        OfTasks("model_prob"),
        OfTasks("num_epoch_dict"),
        argument(
            "save_dir",
            [str, None],
            None,
            "Folder for relative save_ckpt, disp_file, tensorboard_log_dir and "
            "profiling_file; the complete input has their full paths instead.",
        ),
        Refused("ckpt_keep_ratio", hint="set training/max_ckpt_keep"),
        Refused("disp_avg", False, hint=PYTORCH),
        Refused("zero_stage", 0, hint=PYTORCH),
        Refused("neighbor_graph_method", "auto", hint=PYTORCH),
        Refused("enable_compile", False, hint=PYTORCH),
        Refused("enable_tf32", False, hint=PYTORCH),
    )

    training_data: TrainingDataConfig = required("Data to train on.")
    validation_data: ValidationDataConfig | None = key(None, "Data to evaluate on while training.")
    numb_steps: int | None = key(
        None,
        "Total number of steps, including those before a restart; give it or numb_epoch.",
        alias=("stop_batch", "num_step", "num_steps", "numb_step"),
        check=within(0),
        unset=True,
    )
    numb_epoch: float | None = key(
        None,
        "Number of passes over the data instead of numb_steps.",
        alias=("num_epoch", "num_epochs", "numb_epochs"),
        check=positive,
        unset=True,
    )
    seed: int | None = key(None, "Seed of the order of the data.")
    disp_file: str = key("lcurve.out", "File of the learning curve.", check=FILE)
    disp_freq: int = key(1000, "Steps between two lines of the learning curve.", check=within(1))
    save_freq: int = key(1000, "Steps between two checkpoints.", check=within(1))
    save_ckpt: str = key("model.ckpt", "Path prefix of the checkpoints.", check=FILE)
    max_ckpt_keep: int = key(5, "Number of checkpoints to keep; 0 keeps all.", check=within(0))
    enable_ema: bool = key(
        False,
        "Whether an exponential moving average (EMA) of the weights is kept, with checkpoints of "
        "its own.",
    )
    ema_decay: float = key(
        0.999,
        "Share of the average that a step keeps.",
        check=holds(lambda value: 0 <= value < 1, "be at least 0 and less than 1"),
    )
    ema_ckpt_keep: int | None = key(
        None,
        "Number of checkpoints of the average to keep; by default max_ckpt_keep.",
        check=within(1),
    )
    disp_training: bool = key(True, "Whether the learning curve is written.")
    time_training: bool = key(True, "Whether the time of each interval is logged.")
    tensorboard: bool = key(False, "Whether TensorBoard events are written.")
    tensorboard_log_dir: str = key("log", "Their folder.", check=FOLDER)
    tensorboard_freq: int = key(1, "Steps between two TensorBoard events.", check=within(1))
    profiling: bool = key(False, "Whether a trace of the last step is written.")
    profiling_file: str = key("timeline.json", "File of that trace.", check=FILE)
    enable_profiler: bool = key(
        False, "Whether TensorFlow's profiler writes into tensorboard_log_dir."
    )
    change_bias_after_training: bool = key(
        False, "Whether the energy bias is refitted after the last step."
    )
    stat_file: str | None = key(
        None, "HDF5 file or folder that caches the statistics of the data.", unset=True
    )
    stat_file_mode: str = key(
        "update",
        "update: statistics that stat_file lacks are added, and those of other data refused; read: "
        "it is taken as it is, and must be complete.",
        check=one_of("update", "read"),
    )
    finetune: FinetuneConfig | None = key(
        None,
        "What holds the weights back in a training that starts from a model.",
        unset=True,
    )
    mixed_precision: MixedPrecisionConfig | None = key(
        None, "Matrix products in half precision, for nets of float32.", unset=True
    )
    acc_freq: int = key(
        1,
        "Number of steps whose gradients are averaged for one update of the weights; the weights "
        "stay the same in the others.",
        check=within(1),
    )
    gradient_max_norm: float | None = key(
        None,
        "Maximum norm of the gradient over all weights; a larger one is scaled down.",
        check=positive,
        unset=True,
    )

    @property
    def steps(self) -> int:
        """``numb_steps`` of a training whose epochs have been counted."""
        if self.numb_steps is None:
            raise ValueError("training/numb_steps is unknown until epochs are counted")
        return self.numb_steps

    @classmethod
    def resolve_defaults(cls, section: dict[str, Any]) -> str | None:
        """Resolve defaults that depend on other keys, in place; the folder ``save_dir``."""
        cls.drop_unset(section)
        folder: str | None = section.pop("save_dir")
        if folder is not None:
            FOLDER(folder, "training/save_dir")
            for name in ("save_ckpt", "disp_file", "tensorboard_log_dir", "profiling_file"):
                section[name] = os.path.join(folder, section[name])
        if section["save_ckpt"].endswith("/"):
            # A folder for the checkpoints, which have DeePMD's name there.
            section["save_ckpt"] += "model.ckpt"
        for data in (section["training_data"], section["validation_data"]):
            if data is not None:
                DataConfig.resolve_defaults(data)
        if section.get("finetune") is not None:
            FinetuneConfig.resolve_defaults(section["finetune"])
        return folder

    @classmethod
    def check(cls, section: Mapping[str, Any], path: str, *, mixed_types: bool) -> None:
        """Check a resolved section.

        Args:
            section: The values.
            path: Where it is.
            mixed_types: Whether the descriptor takes batches of several systems.

        Raises:
            ConfigError: A value is out of range, or two do not go together.
        """
        given = [name for name in ("numb_steps", "numb_epoch") if section.get(name) is not None]
        if len(given) != 1:
            number = "both" if given else "neither"
            raise ConfigError(
                f"{path} has {number} of numb_steps and numb_epoch; give exactly one."
            )
        cls.check_keys(section, path)
        if section.get("finetune") is not None:
            FinetuneConfig.check(section["finetune"], f"{path}/finetune")
        if section["stat_file_mode"] == "read" and section.get("stat_file") is None:
            raise ConfigError(f"{path}/stat_file_mode is read, which needs {path}/stat_file.")
        for name in ("training_data", "validation_data"):
            size = (section[name] or {}).get("batch_size")
            if isinstance(size, str) and size.startswith("mixed") and not mixed_types:
                raise ConfigError(
                    f"{path}/{name}/batch_size is {size!r}; batches of several systems need the "
                    "descriptor se_atten."
                )
