"""A loop from its input to the model and the report."""

from __future__ import annotations

import os
from pathlib import Path

from deepattn.config import Config
from deepattn.distill.run import check_elements
from deepattn.distill.structures import elements_of, read_structures
from deepattn.distill.student import PretrainedModel, normalize_student
from deepattn.distill.workdir import STRUCTURES, WorkDir, read_frames
from deepattn.errors import ConfigError
from deepattn.export import require_ops
from deepattn.learn.config import read_learn
from deepattn.learn.learning import Learning
from deepattn.learn.result import LearnResult
from deepattn.learn.variations import vary


def learn(input_file: str | os.PathLike, folder: str | os.PathLike = "learn") -> LearnResult:
    """Train a model on labels that are made where they are needed.

    Each round trains on all labels there are, runs dynamics with the model, labels some of the
    frames found to validate it, and those that it is least sure of to train on. The last model is
    written to the folder, with all labeled data, the origin of each frame, and ``report.html``.

    If it is interrupted at any moment, the next call resumes it; jobs that run are found again.

    Args:
        input_file: JSON or YAML, a section ``learn`` and the input of the trainings.
        folder: Where everything is kept.

    Returns:
        The result.

    Raises:
        DeepattnError: Something is wrong with the input, the structures, the labels or the files.
    """
    config, model = read_learn(input_file)
    require_ops(fast=False)
    source, engine = config.labels.open(), config.explore.engine.open()
    # Errors are found before a folder is created that a corrected input would not match.
    kept = Path(folder, STRUCTURES)
    if kept.exists():
        structures = read_frames(kept)
    else:
        structures = vary(
            read_structures(config), config.variations, closest=config.closest, seed=config.seed
        )
    source.check(structures)
    record = {"labels": source.settings, "learn": config.to_dict(), **model}
    names = model["model"].get("type_map") or elements_of(structures)
    model = {**model, "model": {**model["model"], "type_map": names}}
    check_elements(structures, None, names)
    if config.pretrained is None:
        try:
            [task] = Config.from_dict(normalize_student(model)).tasks.values()
        except ConfigError as error:
            raise ConfigError(f"{os.fspath(input_file)}: {error}") from None
        engine.check(task.model)
    else:
        engine.check(PretrainedModel(config.pretrained, config.model_branch).config())
    with WorkDir(folder, record, "learn", free=config.free).claimed() as workdir:
        return Learning(source, engine, structures, config, model, workdir).run()
