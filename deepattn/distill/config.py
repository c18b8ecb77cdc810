"""The input of a distillation: the section ``distill`` and the student's input."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from deepattn.config import ScheduleConfig, load_input
from deepattn.config.constraints import require
from deepattn.config.ranges import holds, one_of
from deepattn.config.section import Section, key, required
from deepattn.errors import ConfigError

T = TypeVar("T", bound="RoundsConfig")

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
    "learning_rate": {
        "type": ScheduleConfig.default_type,
        "start_lr": 1e-3,
        "stop_lr": 1e-6,
        "decay_steps": 1000,
    },
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


_NOT_NEGATIVE = holds(lambda value: value >= 0, "be positive")


def _more_than_zero(value: Any, path: str) -> None:
    numbers = value if isinstance(value, list | tuple) else [value]
    require(bool(numbers) and min(numbers) >= 0, path, value, "be positive")
    require(min(numbers) > 0, path, value, "be more than zero")


def _positive(default: Any, doc: str) -> Any:
    return key(default, doc, check=_more_than_zero)


def _not_negative(default: Any, doc: str) -> Any:
    return key(default, doc, check=_NOT_NEGATIVE)


@dataclass(frozen=True, kw_only=True)
class ExploreConfig(Section):
    """Molecular dynamics of a round."""

    temperatures: tuple[float, ...] = _positive([300.0, 600.0, 1000.0], "K.")
    pressures: tuple[float, ...] | None = key(
        [0.0],
        "Pressures, GPa; null keeps the cells fixed. Structures that are not fully periodic "
        "keep theirs.",
        check=holds(bool, "not be empty; give null to keep the cells fixed"),
    )
    runs: int = _positive(
        4, "Number of runs at each temperature and pressure, from different structures."
    )
    timestep: float = _positive(2.0, "fs.")
    steps: int = _positive(1000, "Steps per run.")
    every: int = _positive(50, "Steps between two frames that are kept.")


@dataclass(frozen=True, kw_only=True)
class SeedFramesConfig(Section):
    """The frames before there is a student."""

    copies: int = _not_negative(10, "Number of strained and perturbed copies of each structure.")
    displacement: float = _not_negative(
        0.1, "Standard deviation of the displacements of their atoms, Å."
    )
    strain: float = _not_negative(0.05, "Largest component of their cells' strain.")
    steps: int = _not_negative(
        200, "Steps per run of the teacher's dynamics; the number of runs is that of explore."
    )
    every: int = _positive(20, "Steps between two frames of these runs that are kept.")


@dataclass(frozen=True, kw_only=True)
class SelectConfig(Section):
    """Selection of the frames that a round adds to the data."""

    criterion: str = key(
        "deviation",
        "What low and high limit: the deviation of the student from the teacher, or of an "
        "ensemble of students (`deviation`); or what a single student estimates of its own errors "
        "(`uncertainty`), so that only judged and selected frames are labeled.",
        check=one_of("deviation", "uncertainty"),
    )
    low: float = _not_negative(
        0.1,
        "Lower limit of the maximum force deviation, or expected error, of frames to select, eV/Å.",
    )
    high: float = _positive(
        1.0,
        "Upper limit of the maximum force deviation, or expected error, of frames to select, eV/Å.",
    )
    frames: int = _positive(200, "Maximum number of frames selected per round.")
    judged: int = _positive(
        100,
        "With an ensemble, or uncertainties: number of random frames labeled to validate the "
        "students, and to calibrate the uncertainties.",
    )

    @property
    def quantity(self) -> str:
        """What the limits are of, in words."""
        return "expected force error" if self.criterion == "uncertainty" else "force deviation"


@dataclass(frozen=True, kw_only=True)
class LaterConfig(Section):
    """Trainings after the first one."""

    numb_steps: int = _positive(
        20000, "Steps of each later training, from the weights of the last student."
    )
    start_lr: float = _positive(1e-4, "Learning rate at their start.")


@dataclass(frozen=True, kw_only=True)
class RoundsConfig(Section):
    """Rounds of training, exploration and labeling: the keys that all commands of rounds have.

    Class attributes:
        path: Path of the section in an input.
        free: Paths of keys below it that may change in a folder in use.
    """

    path: ClassVar[str]
    # They decide only when to stop.
    free: ClassVar[tuple[str, ...]] = ("rounds", "hours", "threshold")

    systems: tuple[str, ...] = required(
        "Structures to start from: systems of DeePMD, or files that ASE reads.",
        dtype=[str, list[str]],
    )
    structures: int = _positive(20, "Maximum number of structures taken from them, evenly spaced.")
    supercell: tuple[int, int, int] = _positive(
        [1, 1, 1], "Repetitions along the three cell vectors."
    )
    seed: int = key(1, "Seed of displacements, velocities, selection and trainings.")
    ensemble: int = _positive(
        1,
        "Models trained per round; two or more select frames by their deviation from each other.",
    )
    rounds: int = _positive(5, "Maximum number of rounds, each with a training and an exploration.")
    hours: float | None = _positive(None, "Hours of work after which no further round starts.")
    threshold: float = _positive(
        0.06, "RMSE of the forces on new frames at which no further round starts, eV/Å."
    )
    closest: float = _positive(
        0.6, "Minimum distance of two atoms, as a fraction of the sum of their covalent radii."
    )
    explore: ExploreConfig = key({}, "Molecular dynamics.")
    seed_frames: SeedFramesConfig = key({}, "The first frames.")
    select: SelectConfig = key({}, "Selection of the frames that a round adds to the data.")
    later: LaterConfig = key({}, "Trainings after the first.")

    @classmethod
    def check(cls, section: Mapping[str, Any], path: str) -> None:
        """Check a complete section.

        Raises:
            ConfigError: A value is out of range, or two do not go together.
        """
        cls.check_keys(section, path)
        if len(section["supercell"]) != 3:
            raise ConfigError(f"{path}/supercell is {section['supercell']}; give three numbers.")
        if section["explore"]["every"] > section["explore"]["steps"]:
            raise ConfigError(
                f"{path}/explore/every is larger than steps, so no frame would be kept."
            )
        if not section["select"]["low"] < section["select"]["high"]:
            raise ConfigError(f"{path}/select/low must be less than high.")
        if section["select"]["criterion"] == "uncertainty" and section["ensemble"] > 1:
            raise ConfigError(
                f"{path}/select/criterion is uncertainty, which is of one student; set "
                f"{path}/ensemble to 1, or the criterion to deviation."
            )

    @classmethod
    def normalized(cls: type[T], given: Any) -> T:
        """The section from what a file has.

        Raises:
            ConfigError: As in `check`, or a key is unknown or missing.
        """
        full = cls.complete(given, cls.path)
        if isinstance(full["systems"], str):
            full["systems"] = [full["systems"]]
        cls.check(full, cls.path)
        return cls.from_dict(full)


@dataclass(frozen=True, kw_only=True)
class DistillConfig(RoundsConfig):
    """The ``distill`` section."""

    path = "distill"

    @classmethod
    def check(cls, section: Mapping[str, Any], path: str) -> None:
        super().check(section, path)
        if section["seed_frames"]["copies"] == 0 and section["seed_frames"]["steps"] == 0:
            raise ConfigError(f"{path}/seed_frames has neither copies nor steps; give one of them.")


def read_distill(path: str | os.PathLike) -> tuple[DistillConfig, dict[str, Any]]:
    """Read the input of a distillation.

    Args:
        path: JSON or YAML.

    Returns:
        The section ``distill``, and the student's input, to which only the type map, where the
        input has none, and the training data are wanting.

    Raises:
        ConfigError: The file cannot be read, a key is unknown or missing, or a value is not valid.
    """
    raw = load_input(path)
    try:
        if "distill" not in raw:
            raise ConfigError("the section distill is required: what to explore, select and train.")
        config = DistillConfig.normalized(raw.pop("distill"))
        return config, with_defaults(raw)
    except ConfigError as error:
        raise ConfigError(f"{os.fspath(path)}: {error}") from None


def with_defaults(raw: dict[str, Any]) -> dict[str, Any]:
    """The student's input with the sections that it leaves out."""
    student = copy.deepcopy(raw)
    for name, default in copy.deepcopy(_STUDENT).items():
        student.setdefault(name, default)
    for name, default in copy.deepcopy(_STUDENT["model"]).items():
        student["model"].setdefault(name, default)
    data = student["training"].setdefault("training_data", {})
    if "systems" in data:
        raise ConfigError(
            "training/training_data/systems is reserved for the teacher's labels; remove it "
            "and give initial structures in distill/systems."
        )
    return student
