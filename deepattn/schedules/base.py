"""Learning rates that fall from ``start_lr`` to ``stop_lr``, with an optional linear warm-up.

The rates are computed in float64. Graphs of TensorFlow 1 feed them to Adam in float32, the other
backends of DeePMD-kit in float64. Schedules of DeePMD-kit and ours give the same numbers bit for
bit.
"""

from __future__ import annotations

import deepattn.keras_backend  # noqa: F401

# isort: split
from collections.abc import Mapping
from typing import Any, ClassVar

import keras
import tensorflow as tf

from deepattn.config import SCHEDULES, ScheduleConfig
from deepattn.registry import resolve


class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """A rate that rises linearly in the warm-up, then follows `decay`.

    A schedule of your own is a subclass with `section` and `decay` (docs/extending.md).

    Args:
        start_lr: Rate at the end of the warm-up.
        stop_lr: Rate that the decay aims at.
        num_steps: Number of training steps, warm-up included.
        dtype: Precision of the rates, ``float32`` or ``float64``.
        **keys: Further keys of the section ``learning_rate``, such as ``warmup_steps``.

    Class attributes:
        section: Class of the section of the input.

    Attributes:
        config: The section, in which the rates are those of the schedule.
        warmup_steps: Length of the warm-up.
        decay_total: Number of the other steps.

    Raises:
        ConfigError: An unknown key, a value out of range, or a warm-up as long as the training.
    """

    section: ClassVar[type[ScheduleConfig]]

    def __init__(
        self,
        start_lr: float,
        stop_lr: float,
        num_steps: int,
        *,
        dtype: str = "float32",
        **keys: Any,
    ) -> None:
        super().__init__()
        self.dtype = dtype
        self.num_steps = int(num_steps)
        given = {"start_lr": start_lr, "stop_lr": stop_lr, **keys}
        self.config = _config(
            self.section, self.section.of_keys("learning_rate", **given), num_steps
        )
        self.start_lr, self.stop_lr = self.config.start_lr, self.config.stop_lr
        self.warmup_steps = self.config.warmup(self.num_steps)
        self.decay_total = self.num_steps - self.warmup_steps

    def decay(self, step: tf.Tensor) -> tf.Tensor:
        """Rate, float64, ``step`` (float64, not negative) steps after the warm-up."""
        raise NotImplementedError(f"{type(self).__name__} must define decay()")

    def __call__(self, step: int | tf.Tensor) -> tf.Tensor:
        step = tf.cast(step, tf.float64)
        rate = self.decay(tf.maximum(step - self.warmup_steps, 0.0))
        if self.warmup_steps:
            lowest = self.config.warmup_start_factor * self.start_lr
            rising = lowest + (self.start_lr - lowest) * (step / self.warmup_steps)
            rate = tf.where(step < self.warmup_steps, rising, rate)
        return tf.cast(rate, self.dtype)

    def value(self, step: int) -> float:
        """Rate at ``step`` as a Python number."""
        return float(self(step))

    def get_config(self) -> dict[str, Any]:
        return {"num_steps": self.num_steps, "dtype": self.dtype, **_keys(self.config)}


def make_schedule(
    learning_rate: ScheduleConfig | Mapping[str, Any],
    num_steps: int,
    *,
    workers: int = 1,
    common: bool = False,
) -> Schedule:
    """Build the schedule of a ``learning_rate`` section.

    Args:
        learning_rate: The section, typed or as in an input.
        num_steps: Number of training steps.
        workers: Devices that share a batch; ``scale_by_worker`` determines their effect on the
            rate.
        common: Whether the model has the convention of DeePMD-kit's other backends, which do not
            round the rate.

    Raises:
        ConfigError: An unknown type or a value out of range.
    """
    if not isinstance(learning_rate, ScheduleConfig):
        section = ScheduleConfig.complete(learning_rate, "learning_rate")
        learning_rate = _config(SCHEDULES[section["type"]], section, num_steps)
    scale, keys = learning_rate.scale(workers), _keys(learning_rate)
    rates = scale * keys.pop("start_lr"), scale * keys.pop("stop_lr")
    dtype = "float64" if common else "float32"
    return resolve(learning_rate.implementation)(*rates, num_steps, dtype=dtype, **keys)


def _config(kind: type[ScheduleConfig], section: dict[str, Any], num_steps: int) -> ScheduleConfig:
    kind.resolve_defaults(section)
    kind.check(section, "learning_rate", numb_steps=num_steps)
    return kind.from_dict(section)


def _keys(config: ScheduleConfig) -> dict[str, Any]:
    """The keys that make a schedule of one worker."""
    section = config.to_dict()
    return {key: section[key] for key in section if key not in ("type", "scale_by_worker")}
