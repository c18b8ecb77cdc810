"""The input of the loop: the section ``learn`` and the input of its trainings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deepattn.config import load_input
from deepattn.config.ranges import holds, one_of, positive
from deepattn.config.section import Section, key, required, thaw
from deepattn.distill.config import (
    DistillConfig,
    RoundsConfig,
    SeedFramesConfig,
    SelectConfig,
    with_defaults,
)
from deepattn.errors import ConfigError
from deepattn.learn.dispatch.config import DispatchConfig
from deepattn.learn.dynamics.config import ENGINES, LearnExploreConfig
from deepattn.learn.labels.config import LabelsConfig

_NOT_NEGATIVE = holds(lambda value: value >= 0, "be positive")


@dataclass(frozen=True, kw_only=True)
class VariationsConfig(Section):
    """What is made of each structure, to start from too."""

    volumes: tuple[float, ...] = key(
        [], "Linear strains of all cell vectors, such as [-0.05, 0.05].", dtype=list[float]
    )
    vacancies: int = key(
        0, "Number of copies without one atom, each without another one.", check=_NOT_NEGATIVE
    )
    surfaces: tuple[tuple[int, ...], ...] = key(
        [],
        "Miller indices of surfaces, such as [[1, 0, 0], [1, 1, 1]]: slabs of the structures that "
        "are periodic.",
        dtype=list[list[int]],
        check=holds(
            lambda value: all(len(row) == 3 and any(row) for row in value),
            "have three whole numbers for each surface, not all zero",
        ),
    )
    thickness: float = key(8.0, "Minimum thickness of slabs, Å.", check=positive)
    vacuum: float = key(12.0, "Height of the vacuum above them, Å.", check=positive)
    exchanges: int = key(
        0,
        "Number of copies in which every atom is of a random element of the structures: other "
        "compositions.",
        check=_NOT_NEGATIVE,
    )
    most_atoms: int = key(
        64, "Variations with more atoms are left out: labels are expensive.", check=positive
    )


@dataclass(frozen=True, kw_only=True)
class FirstFramesConfig(SeedFramesConfig):
    """The frames before there is a trained model."""

    steps: int = key(
        200,
        "Steps per run of the pretrained model's dynamics; there are none without one, or if "
        "model_branch names no branch of a multi-task one.",
        check=_NOT_NEGATIVE,
    )
    frames: int = key(
        40, "Maximum number of them that are labeled, drawn at random.", check=positive
    )


@dataclass(frozen=True, kw_only=True)
class LearnSelectConfig(SelectConfig):
    """Selection of the frames that a round has labeled."""

    criterion: str = key(
        "uncertainty",
        "What low and high limit: the errors of forces that one model expects of itself "
        "(`uncertainty`), or the deviation of an ensemble (`deviation`).",
        check=one_of("uncertainty", "deviation"),
    )
    frames: int = key(
        40,
        "Maximum number of frames selected per round: of more, those whose surroundings are most "
        "different.",
        check=positive,
    )
    judged: int = key(
        10,
        "Number of random frames labeled to validate the model, and to calibrate uncertainties; "
        "the next round trains on them too.",
        check=positive,
    )


@dataclass(frozen=True, kw_only=True)
class LearnConfig(RoundsConfig):
    """The ``learn`` section."""

    path = "learn"
    # And where and how jobs run.
    free = (
        *RoundsConfig.free,
        *(f"labels/{name}" for name in ("command", *DispatchConfig.places)),
        *(f"explore/engine/{name}" for name in ("command", "jobs", *DispatchConfig.places)),
    )

    labels: LabelsConfig = required("Where energies and forces come from.")
    pretrained: str | None = key(
        None,
        "Model that the first round fine-tunes, a file or the name of a published one; null trains "
        "from scratch.",
    )
    model_branch: str | None = key(
        None, "Branch of a multi-task model whose fitting net is taken, or `RANDOM`."
    )
    variations: VariationsConfig = key({}, "What is made of each structure.")
    explore: LearnExploreConfig = key({}, "Molecular dynamics.")
    seed_frames: FirstFramesConfig = key({}, "The first frames.")
    select: LearnSelectConfig = key({}, "Selection of the frames that a round has labeled.")
    student: dict | None = key(
        None,
        "Input of `deepattn distill` for a student of the last model; `distill/systems` may be "
        "left out. null makes none.",
    )

    @classmethod
    def check(cls, section: Mapping[str, Any], path: str) -> None:
        super().check(section, path)
        labels = section["labels"]
        LabelsConfig.registry[labels["type"]].check(labels, f"{path}/labels")
        engine = section["explore"]["engine"]
        ENGINES[engine["type"]].check(engine, f"{path}/explore/engine")
        if section["select"]["criterion"] == "deviation" and section["ensemble"] == 1:
            raise ConfigError(
                f"{path}/select/criterion is deviation, which needs several models; set "
                f"{path}/ensemble to 2 or more, or the criterion to uncertainty."
            )
        if section["model_branch"] is not None and section["pretrained"] is None:
            raise ConfigError(f"{path}/model_branch needs {path}/pretrained.")
        dynamics = section["pretrained"] is not None and section["seed_frames"]["steps"] > 0
        if section["seed_frames"]["copies"] == 0 and not dynamics:
            raise ConfigError(
                f"{path}/seed_frames/copies is 0, and there are no steps with a pretrained model, "
                "so there would be no first frames but the structures; set one of both."
            )


def read_learn(path: str | os.PathLike) -> tuple[LearnConfig, dict[str, Any]]:
    """Read the input of a loop.

    Args:
        path: JSON or YAML.

    Returns:
        The section ``learn``, and the input of its trainings, to which only the type map, where
        the input has none, and the training data are wanting.

    Raises:
        ConfigError: The file cannot be read, a key is unknown or missing, or a value is not valid.
    """
    raw = load_input(path)
    try:
        if "learn" not in raw:
            raise ConfigError("the section learn is required: what to explore, label and train.")
        config = LearnConfig.normalized(raw.pop("learn"))
        if "finetune" in raw.get("training", {}):
            raise ConfigError(
                "training/finetune is for deepattn train; later rounds of deepattn learn start "
                "from the last model, and would do without it."
            )
        model = with_defaults(raw)
        if config.student is not None:
            read_student(config.student, config.systems)
        return config, model
    except ConfigError as error:
        raise ConfigError(f"{os.fspath(path)}: {error}") from None


def read_student(
    student: Mapping[str, Any], systems: tuple[str, ...]
) -> tuple[DistillConfig, dict[str, Any]]:
    """The distillation at the end: its section, and the student's input.

    Args:
        student: ``learn/student``.
        systems: Structures where it names none.

    Raises:
        ConfigError: A key is unknown, or a value is not valid.
    """
    raw = thaw({**student})
    section = {"systems": list(systems), **raw.pop("distill", {})}
    try:
        return DistillConfig.normalized(section), with_defaults(raw)
    except ConfigError as error:
        raise ConfigError(f"learn/student: {error}") from None
