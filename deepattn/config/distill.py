"""The input of a distillation: the section ``distill`` and the student's input."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deepattn.config.clean import clean
from deepattn.config.load import load_input
from deepattn.config.schema.distill import distill_section
from deepattn.config.section import Section
from deepattn.errors import ConfigError

# DPA-1 without attention, in the form whose embedding net can be tabulated.
_STUDENT: dict[str, Any] = {
    "model": {
        "descriptor": {
            "type": "se_atten_v2",
            "rcut": 6.0,
            "rcut_smth": 0.5,
            "sel": "auto:1.3",
            "neuron": [25, 50, 100],
            "axis_neuron": 12,
            "attn_layer": 0,
        },
        "fitting_net": {"neuron": [240, 240, 240]},
    },
    "learning_rate": {"type": "exp", "start_lr": 1e-3, "stop_lr": 1e-6, "decay_steps": 1000},
    "loss": {
        "start_pref_e": 0.02,
        "limit_pref_e": 2,
        "start_pref_f": 1000,
        "limit_pref_f": 1,
        "start_pref_v": 0.02,
        "limit_pref_v": 0.2,
    },
    "training": {"numb_steps": 100000},
}


@dataclass(frozen=True)
class ExploreConfig(Section):
    """Molecular dynamics of a round."""

    temperatures: tuple[float, ...]
    pressures: tuple[float, ...] | None
    runs: int
    timestep: float
    steps: int
    every: int


@dataclass(frozen=True)
class SeedFramesConfig(Section):
    """The frames before there is a student."""

    copies: int
    displacement: float
    strain: float
    steps: int
    every: int


@dataclass(frozen=True)
class SelectConfig(Section):
    """What a round adds to the data."""

    low: float
    high: float
    frames: int
    judged: int


@dataclass(frozen=True)
class LaterConfig(Section):
    """Trainings after the first one."""

    numb_steps: int
    start_lr: float


@dataclass(frozen=True)
class DistillConfig(Section):
    """The ``distill`` section."""

    systems: tuple[str, ...]
    structures: int
    supercell: tuple[int, int, int]
    seed: int
    ensemble: int
    rounds: int
    hours: float | None
    threshold: float
    closest: float
    explore: ExploreConfig
    seed_frames: SeedFramesConfig
    select: SelectConfig
    later: LaterConfig

    @classmethod
    def from_dict(cls, section: Mapping[str, Any]) -> DistillConfig:
        """Build from a normalized ``distill`` section."""
        parts: dict[str, type[Section]] = {
            "explore": ExploreConfig,
            "seed_frames": SeedFramesConfig,
            "select": SelectConfig,
            "later": LaterConfig,
        }
        built = {name: part.from_dict(section[name]) for name, part in parts.items()}
        return super().from_dict({**section, **built})


def read_distill(path: str | os.PathLike) -> tuple[DistillConfig, dict[str, Any]]:
    """Read the input of a distillation.

    Args:
        path: JSON or YAML.

    Returns:
        The section ``distill``, and the student's input, to which only the type map, where the
        input has none, and the training data are wanting.

    Raises:
        ConfigError: the file cannot be read, a key is unknown or missing, or a value is not valid.
    """
    raw = load_input(path)
    try:
        if "distill" not in raw:
            raise ConfigError("distill is required: what is explored, selected and trained.")
        config = DistillConfig.from_dict(normalize_distill(raw.pop("distill")))
        return config, _with_defaults(raw)
    except ConfigError as error:
        raise ConfigError(f"{os.fspath(path)}: {error}") from None


def normalize_distill(section: dict[str, Any]) -> dict[str, Any]:
    """Check a ``distill`` section and fill in every default."""
    schema = distill_section()
    given = clean(schema, section, "distill")
    for name, field in schema.sub_fields.items():
        if field.sub_fields:
            given.setdefault(name, {})
    full = schema.normalize_value(given, do_alias=False)
    if isinstance(full["systems"], str):
        full["systems"] = [full["systems"]]
    _check(full)
    return full


def _with_defaults(raw: dict[str, Any]) -> dict[str, Any]:
    """The student's input with the sections that it leaves out."""
    student = copy.deepcopy(raw)
    for name, default in copy.deepcopy(_STUDENT).items():
        student.setdefault(name, default)
    for name, default in copy.deepcopy(_STUDENT["model"]).items():
        student["model"].setdefault(name, default)
    data = student["training"].setdefault("training_data", {})
    if "systems" in data:
        raise ConfigError(
            "training/training_data/systems is for the teacher's labels; leave it out and give "
            "structures to start from in distill/systems."
        )
    return student


# Numbers that must be positive, or lists of them, and those that may be zero.
_POSITIVE = (
    "structures supercell ensemble rounds hours threshold closest explore/temperatures "
    "explore/runs explore/timestep explore/steps explore/every seed_frames/every select/high "
    "select/frames select/judged later/numb_steps later/start_lr"
).split()
_NOT_NEGATIVE = (
    "seed_frames/copies seed_frames/displacement seed_frames/strain seed_frames/steps select/low"
).split()


def _check(full: dict[str, Any]) -> None:
    """Refuse numbers that make no sense."""
    for path in (*_POSITIVE, *_NOT_NEGATIVE):
        value: Any = full
        for name in path.split("/"):
            value = value[name]
        numbers = value if isinstance(value, list) else [0 if value is None else value]
        if value == [] or min(numbers) < 0:
            raise ConfigError(f"distill/{path} is {value}; it must be positive.")
        if path in _POSITIVE and value is not None and min(numbers) == 0:
            raise ConfigError(f"distill/{path} is {value}; it must be more than zero.")
    if len(full["supercell"]) != 3:
        raise ConfigError(f"distill/supercell is {full['supercell']}; give three numbers.")
    if full["explore"]["pressures"] == []:
        raise ConfigError("distill/explore/pressures is empty; give null to keep the cells.")
    if full["explore"]["every"] > full["explore"]["steps"]:
        raise ConfigError("distill/explore/every is larger than steps, so no frame would be kept.")
    if not full["select"]["low"] < full["select"]["high"]:
        raise ConfigError("distill/select/low must be less than high.")
    if full["seed_frames"]["copies"] == 0 and full["seed_frames"]["steps"] == 0:
        raise ConfigError("distill/seed_frames has neither copies nor steps; give one of them.")
