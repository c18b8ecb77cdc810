"""Training from an input file, as the command line does it."""

import json
import os
from collections.abc import Sequence

import keras

from deepattn.config import Config, load_input, normalize, upgrade
from deepattn.errors import ConfigError
from deepattn.formats.files import write_whole
from deepattn.train.cluster import from_environment
from deepattn.train.start import Start, from_checkpoint, from_frozen
from deepattn.train.trainer import Trainer

# The input as version 2, before defaults; DeePMD-kit leaves it in the working folder too.
_UPGRADED = "input_v2_compat.json"


def train(
    input_file: str | os.PathLike,
    *,
    init_model: str | os.PathLike | None = None,
    restart: str | os.PathLike | None = None,
    init_frz_model: str | os.PathLike | None = None,
    finetune: str | os.PathLike | None = None,
    use_pretrain_script: bool = False,
    skip_neighbor_stat: bool = False,
    output: str | os.PathLike = "out.json",
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Trainer:
    """Train as an input file says. At most one of the four ways to start may be given.

    With a cluster in ``TF_CONFIG`` this process is one of its workers.

    Relative paths in the input are relative to the working folder, where the files of the training
    are written too.

    Args:
        input_file: input, JSON or YAML.
        init_model: checkpoint whose weights and moments are taken, at step 0.
        restart: checkpoint of a training to go on with.
        init_frz_model: frozen model whose weights are taken, at step 0.
        finetune: frozen model that is taken whole, its energy bias shifted to fit the data.
        use_pretrain_script: take the ``model`` section from the file too; fine-tuning always does.
        skip_neighbor_stat: do not read all data before the first step, see `Trainer`.
        output: where the complete input is written.
        callbacks: Keras callbacks.

    Returns:
        The trainer, with the trained model.

    Raises:
        DeepattnError: anything that is wrong with the input, the data or the files.
    """
    distribution = from_environment()
    raw = load_input(input_file)
    start = _start(init_model, restart, init_frz_model, finetune)
    try:
        if use_pretrain_script or finetune is not None:
            start, raw = start.take_model_section(raw)
        upgraded = upgrade(raw)
        config = Config.from_dict(normalize(upgraded))
    except ConfigError as error:
        raise ConfigError(f"{os.fspath(input_file)}: {error}") from None
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
    )
    trainer.train()
    return trainer


def _start(
    init_model: str | os.PathLike | None,
    restart: str | os.PathLike | None,
    init_frz_model: str | os.PathLike | None,
    finetune: str | os.PathLike | None,
) -> Start:
    given = [path for path in (init_model, restart, init_frz_model, finetune) if path is not None]
    if len(given) > 1:
        raise ValueError(f"give one way to start, not {len(given)}: {given}")
    if init_model is not None:
        return from_checkpoint(init_model, restart=False)
    if restart is not None:
        return from_checkpoint(restart, restart=True)
    if init_frz_model is not None:
        return from_frozen(init_frz_model, finetune=False)
    if finetune is not None:
        return from_frozen(finetune, finetune=True)
    return Start()
