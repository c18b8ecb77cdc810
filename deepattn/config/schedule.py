"""Base class of learning-rate sections."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from deepattn.config.argument import key as argument
from deepattn.config.constraints import require
from deepattn.config.ranges import holds, one_of, within
from deepattn.config.section import Kind, key, required
from deepattn.errors import ConfigError
from deepattn.registry import Registry

SCHEDULES: Registry[ScheduleConfig] = Registry(
    "schedule",
    "deepattn.schedules",
    {
        "exp": "deepattn.schedules.exp.config:ExpConfig",
        "cosine": "deepattn.schedules.cosine.config:CosineConfig",
        "wsd": "deepattn.schedules.wsd.config:WsdConfig",
    },
)

_STOP_LR = 5e-8
# The steps of an optimizer are taken in float32 at least.
_LARGEST_RATE = 3.4e38


def _check_rate(value: float, path: str) -> None:
    require(value > 0 and math.isfinite(value), path, value, "be positive")
    require(value < _LARGEST_RATE, path, value, "be representable in float32")


@dataclass(frozen=True, kw_only=True)
class ScheduleConfig(Kind):
    """A ``learning_rate`` section: the keys of all schedules, and those of its type.

    A schedule of your own is a subclass with fields for its keys (docs/extending.md).

    Class attributes:
        implementation: Reference ``"module:class"`` to its `deepattn.schedules.Schedule`.
    """

    registry: ClassVar[Registry] = SCHEDULES
    default_type: ClassVar[str | None] = "exp"
    implementation: ClassVar[str]
    input_only = (
        argument("stop_lr_ratio", [float, None], None, "stop_lr as a fraction of start_lr."),
    )

    start_lr: float = required("Learning rate at the start, after the warm-up.", check=_check_rate)
    stop_lr: float = key(
        None,
        "Learning rate at the end; 5e-8 if neither it nor stop_lr_ratio is given.",
        dtype=[float, None],
        check=_check_rate,
    )
    warmup_steps: int = key(0, "Steps of a linear warm-up.", check=within(0))
    warmup_ratio: float | None = key(
        None,
        "warmup_steps as a fraction of numb_steps.",
        check=holds(lambda ratio: 0 <= ratio < 1, "be at least 0 and less than 1"),
    )
    warmup_start_factor: float = key(
        0.0, "The warm-up starts at this factor times start_lr.", check=within(0)
    )
    scale_by_worker: str = key(
        "linear",
        "How the learning rate scales with the number of workers: linear, sqrt or none.",
        check=one_of("linear", "sqrt", "none"),
    )

    @classmethod
    def resolve_defaults(cls, section: dict[str, Any]) -> None:
        """Resolve defaults that depend on other keys, in place.

        Raises:
            ConfigError: The final rate is given twice.
        """
        ratio = section.pop("stop_lr_ratio")
        if ratio is not None:
            if section["stop_lr"] is not None:
                raise ConfigError(
                    f"learning_rate has both stop_lr {section['stop_lr']} and stop_lr_ratio "
                    f"{ratio}; keep one of them."
                )
            section["stop_lr"] = section["start_lr"] * ratio
        elif section["stop_lr"] is None:
            section["stop_lr"] = _STOP_LR

    @classmethod
    def check(cls, section: Mapping[str, Any], path: str, *, numb_steps: int | None) -> None:
        """Check a resolved section.

        Args:
            section: The values.
            path: Where it is.
            numb_steps: Length of the training; None where epochs count.

        Raises:
            ConfigError: A value is out of range, or two do not go together.
        """
        cls.check_keys(section, path)
        steps, ratio = section["warmup_steps"], section["warmup_ratio"]
        if ratio is not None and steps:
            raise ConfigError(
                f"{path} has both warmup_steps {steps} and warmup_ratio {ratio}; keep one of them."
            )
        if steps and numb_steps is not None:
            condition = f"be less than training/numb_steps ({numb_steps})"
            require(steps < numb_steps, f"{path}/warmup_steps", steps, condition)

    def warmup(self, numb_steps: int) -> int:
        """Length of the warm-up in a training of ``numb_steps`` steps."""
        ratio = self.warmup_ratio
        return self.warmup_steps if ratio is None else int(ratio * numb_steps)

    def scale(self, workers: int) -> float:
        """Factor of the learning rate with several workers."""
        return {"linear": float(workers), "sqrt": math.sqrt(workers), "none": 1.0}[
            self.scale_by_worker
        ]
