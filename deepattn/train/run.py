"""Training from an input file: all that ``deepattn train`` does."""

import json
import logging
import os
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from deepattn.config import (
    Config,
    MultiTaskConfig,
    as_pytorch,
    is_multitask,
    load_input,
    read_input,
    take_sections,
    upgrade,
)
from deepattn.config.linear import is_all_frozen
from deepattn.config.multitask import split
from deepattn.errors import ConfigError, ModelFileError
from deepattn.formats.files import write_whole
from deepattn.train.checkpointing.claim import Claim
from deepattn.train.checkpointing.files import TrainingFiles
from deepattn.train.distributed.cluster import from_environment
from deepattn.train.frozen_combination import combine_frozen
from deepattn.train.pretrained import Pretrained
from deepattn.train.trainer import Trainer
from deepattn.train.weight_source import WeightSource, from_checkpoint, from_frozen

# The input as version 2, before defaults; DeePMD-kit leaves it in the working folder too.
_UPGRADED = "input_v2_compat.json"
_OUTPUT = "out.json"

log = logging.getLogger(__name__)


def train(
    input_file: str | os.PathLike,
    *,
    init_model: str | os.PathLike | None = None,
    restart: str | os.PathLike | None = None,
    init_frz_model: str | os.PathLike | None = None,
    finetune: str | os.PathLike | None = None,
    model_branch: str | None = None,
    use_pretrain_script: bool = False,
    skip_neighbor_stat: bool = False,
    pytorch: bool = False,
    output: str | os.PathLike = _OUTPUT,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Trainer:
    """Train with an input file. At most one source of the initial weights may be given.

    With a cluster in ``TF_CONFIG`` this process is one of its workers.

    Relative paths in the input are relative to the working folder, where the files of the training
    are written too.

    Args:
        input_file: Input, JSON or YAML.
        init_model: Checkpoint whose weights and moments are taken, at step 0; of one of DeePMD-kit
            (``.pt``) the weights alone.
        restart: Checkpoint of a training to resume.
        init_frz_model: Frozen model whose weights are taken, at step 0.
        finetune: Frozen model or checkpoint that is taken whole, its energy bias shifted to fit the
            data. In a multi-task input each branch has its own source.
        model_branch: With ``finetune`` the branch of a multi-task model that is taken,
            or ``RANDOM`` for a new fitting net; with None the fitting net of such a model is
            new.
        use_pretrain_script: Take the ``model`` section from the file too; the fine-tuning of a
            single task always does.
        skip_neighbor_stat: Do not read all data before the first step, see `Trainer`.
        pytorch: The input is written for DeePMD-kit's PyTorch backend: a model that it describes
            has the convention ``common`` unless it names another.
        output: Where the complete input is written.
        callbacks: Keras callbacks.

    Returns:
        The trainer, with the trained model.

    Raises:
        DeepattnError: Anything that is wrong with the input, the data or the files.
    """
    given = [path for path in (init_model, restart, init_frz_model, finetune) if path is not None]
    if len(given) > 1:
        raise ValueError(
            f"give at most one of the options that set the initial weights, not {len(given)}: "
            f"{given}"
        )
    if model_branch is not None and finetune is None:
        raise ConfigError("--model-branch needs --finetune.")
    distribution = from_environment()
    # A model of a file has the convention of the file.
    whole = finetune is not None or use_pretrain_script
    pytorch = pytorch and not whole
    raw = load_input(input_file)
    make = _several if is_multitask(raw) else _single
    try:
        start, upgraded = make(
            raw,
            init_model=init_model,
            restart=restart,
            init_frz_model=init_frz_model,
            finetune=finetune,
            model_branch=model_branch,
            use_script=use_pretrain_script,
        )
        if pytorch:
            upgraded = as_pytorch(upgraded)
        config = read_input(upgraded)
    except ConfigError as error:
        raise ConfigError(f"{os.fspath(input_file)}: {error}") from None
    first = next(iter(config.tasks.values()))
    training = first.training
    files = TrainingFiles.of(first)
    with Claim(files, others=(output, _UPGRADED), chief=distribution.chief) as claim:
        if distribution.chief:
            with write_whole(_UPGRADED, "w") as file:
                json.dump(upgraded, file, indent=4, ensure_ascii=False)
        trainer = Trainer(
            config,
            start=start,
            output=output,
            skip_neighbor_stat=skip_neighbor_stat,
            callbacks=callbacks,
            distribution=distribution,
            claim=claim,
        )
        try:
            trainer.train()
        except (KeyboardInterrupt, SystemExit):
            if trainer.saved is not None:
                resume = resume_command(
                    output if whole else input_file,
                    training.save_ckpt,
                    output=output,
                    skip_neighbor_stat=skip_neighbor_stat,
                    pytorch=pytorch,
                )
                log.info("resume with: %s", resume)
            raise
        log.info("next: %s", freeze_command(trainer.config, training.save_ckpt))
    return trainer


def resume_command(
    input_file: str | os.PathLike,
    checkpoint: str,
    *,
    output: str | os.PathLike,
    skip_neighbor_stat: bool,
    pytorch: bool = False,
) -> str:
    """The command that resumes a training where it has stopped."""
    words = ["deepattn", "train", os.fspath(input_file), "--restart", checkpoint]
    if os.fspath(output) != _OUTPUT:
        words += ["-o", os.fspath(output)]
    if skip_neighbor_stat:
        words.append("--skip-neighbor-stat")
    if pytorch:
        words.append("--pt")
    return shlex.join(words)


def freeze_command(config: Config | MultiTaskConfig, checkpoint: str) -> str:
    """The command that makes a model file of the checkpoint of a training."""
    words = ["deepattn", "freeze", "-c", checkpoint]
    name, task = next(iter(config.tasks.items()))
    if not task.model.descriptor.graphs:
        words += ["-o", "frozen_model.savedmodeltf"]
    elif task.model.given_spin is not None:
        words += ["-o", "frozen_model.pt"]
    if name:
        words += ["--head", name]
    return shlex.join(words)


def _single(
    raw: dict[str, Any],
    *,
    init_model: str | os.PathLike | None,
    restart: str | os.PathLike | None,
    init_frz_model: str | os.PathLike | None,
    finetune: str | os.PathLike | None,
    model_branch: str | None,
    use_script: bool,
) -> tuple[WeightSource, dict[str, Any]]:
    """The start of a single task, and the upgraded input."""
    checkpoint = init_model if init_model is not None else restart
    if checkpoint is not None:
        found = from_checkpoint(checkpoint, restart=restart is not None)
        if isinstance(found, Mapping):
            raise ModelFileError(
                f"{checkpoint}: has the branches {', '.join(found)}, but this is a "
                "single-task input; start from one of them with --finetune and "
                "--model-branch"
            )
        start = found
    elif init_frz_model is not None:
        start = from_frozen(init_frz_model)
    elif finetune is not None:
        start = Pretrained(finetune).single(model_branch)
    else:
        start = WeightSource()
    if use_script or finetune is not None:
        start, raw = start.take_model_section(raw)
    upgraded = upgrade(raw)
    if is_all_frozen(upgraded) and start.mode == "scratch":
        return combine_frozen(upgraded)
    return start, upgraded


def _several(
    raw: dict[str, Any],
    *,
    init_model: str | os.PathLike | None,
    restart: str | os.PathLike | None,
    init_frz_model: str | os.PathLike | None,
    finetune: str | os.PathLike | None,
    model_branch: str | None,
    use_script: bool,
) -> tuple[dict[str, WeightSource], dict[str, Any]]:
    """The start of each branch, and the upgraded input."""
    if model_branch is not None:
        raise ConfigError(
            "--model-branch is for single-task inputs; with model/model_dict set "
            "finetune_head in each branch."
        )
    if init_frz_model is not None:
        raise ConfigError(
            "--init-frz-model is for single-task inputs; with model/model_dict use --finetune."
        )
    upgraded = upgrade(raw)
    branches = split(upgraded)
    starts = dict.fromkeys(branches, WeightSource())
    checkpoint = init_model if init_model is not None else restart
    if checkpoint is not None:
        found = from_checkpoint(checkpoint, restart=restart is not None)
        starts = _of_branches(checkpoint, found, list(branches))
    elif finetune is not None:
        starts = Pretrained(finetune).several(branches)
    if use_script:
        if any(start.model is None for start in starts.values()):
            raise ConfigError("--use-pretrain-script needs --init-model or --finetune.")
        sections = {
            name: start.model_section(branches[name].input["model"])
            for name, start in starts.items()
        }
        upgraded = take_sections(upgraded, sections)
    return starts, upgraded


def _of_branches(
    path: str | os.PathLike, starts: WeightSource | Mapping[str, WeightSource], names: Sequence[str]
) -> dict[str, WeightSource]:
    """The starts in the order of an input's branches, which must be those of the file."""
    if isinstance(starts, WeightSource):
        raise ModelFileError(
            f"{path}: is a single-task model, but the input has the branches "
            f"{', '.join(names)}; start from it with --finetune"
        )
    if set(starts) != set(names):
        raise ModelFileError(
            f"{path}: has the branches {', '.join(starts)}, but the input has "
            f"{', '.join(names)}; use the same ones, or start with --finetune"
        )
    return {name: starts[name] for name in names}
