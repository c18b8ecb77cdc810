"""Learning rates that fall from ``start_lr`` to ``stop_lr``, with an optional linear warm-up.

The rates are computed in float64 and returned in float32, as a TensorFlow 1 graph feeds them to
Adam, so a schedule of DeePMD-kit and one of ours give the same numbers bit for bit.
"""

import math
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from deepattn.config import ScheduleConfig
from deepattn.errors import ConfigError
from deepattn.schedules import ExpConfig, WsdConfig


class WarmupSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """A rate that rises linearly for ``warmup_steps`` steps, then decays for the rest.

    Args:
        start_lr: rate at the end of the warm-up.
        stop_lr: rate that the decay aims at.
        num_steps: number of training steps, warm-up included.
        warmup_steps: length of the warm-up.
        warmup_start_factor: the warm-up starts from this multiple of ``start_lr``.

    Raises:
        ConfigError: a rate that is not positive, or a warm-up as long as the training.
    """

    def __init__(
        self,
        start_lr: float,
        stop_lr: float,
        num_steps: int,
        *,
        warmup_steps: int = 0,
        warmup_start_factor: float = 0.0,
    ) -> None:
        super().__init__()
        section = {
            "start_lr": start_lr,
            "stop_lr": stop_lr,
            "warmup_steps": warmup_steps,
            "warmup_ratio": None,
            "warmup_start_factor": warmup_start_factor,
        }
        ScheduleConfig.check(section, "learning_rate", numb_steps=num_steps)
        self.start_lr = float(start_lr)
        self.stop_lr = float(stop_lr)
        self.num_steps = int(num_steps)
        self.warmup_steps = int(warmup_steps)
        self.warmup_start_factor = float(warmup_start_factor)
        self.decay_total = self.num_steps - self.warmup_steps

    def decay(self, step: tf.Tensor) -> tf.Tensor:
        """Rate, float64, ``step`` (float64, not negative) steps after the warm-up."""
        raise NotImplementedError(f"{type(self).__name__} must define decay()")

    def __call__(self, step: int | tf.Tensor) -> tf.Tensor:
        step = tf.cast(step, tf.float64)
        rate = self.decay(tf.maximum(step - self.warmup_steps, 0.0))
        if self.warmup_steps:
            lowest = self.warmup_start_factor * self.start_lr
            rising = lowest + (self.start_lr - lowest) * (step / self.warmup_steps)
            rate = tf.where(step < self.warmup_steps, rising, rate)
        return tf.cast(rate, tf.float32)

    def value(self, step: int) -> float:
        """Rate at ``step`` as a Python number (rounded to float32)."""
        return float(self(step))

    def get_config(self) -> dict[str, Any]:
        return {
            "start_lr": self.start_lr,
            "stop_lr": self.stop_lr,
            "num_steps": self.num_steps,
            "warmup_steps": self.warmup_steps,
            "warmup_start_factor": self.warmup_start_factor,
        }


@keras.saving.register_keras_serializable(package="deepattn")
class ExpSchedule(WarmupSchedule):
    """Exponential decay: ``start_lr * decay_rate ** floor(t / decay_steps)``, at least ``stop_lr``.

    Args:
        start_lr, stop_lr, num_steps: see `WarmupSchedule`.
        decay_steps: steps between two decreases; one that does not fit into the run is replaced by
            100, or by a hundredth of a run of 1000 steps or fewer, unless ``decay_rate`` is given.
        decay_rate: factor of one decrease; by default such that the rate would end at ``stop_lr``.
        smooth: decrease at every step instead.
        **warmup: see `WarmupSchedule`.
    """

    def __init__(
        self,
        start_lr: float,
        stop_lr: float,
        num_steps: int,
        *,
        decay_steps: int = 5000,
        decay_rate: float | None = None,
        smooth: bool = False,
        **warmup: Any,
    ) -> None:
        super().__init__(start_lr, stop_lr, num_steps, **warmup)
        self._given = {"decay_steps": decay_steps, "decay_rate": decay_rate, "smooth": smooth}
        ExpConfig.check_keys(self._given, "learning_rate")
        total = self.decay_total
        if decay_rate is None and decay_steps >= total:
            decay_steps = 100 if total // 10 > 100 else total // 100 + 1
        if decay_rate is None:
            decay_rate = 1.0
            if total > 0:
                # Written with exp and log, not as a power, to round like the peer.
                ratio = math.log(max(self.stop_lr, 1e-10) / self.start_lr)
                decay_rate = math.exp(ratio / (total / decay_steps))
        self.decay_steps = int(decay_steps)
        self.decay_rate = float(decay_rate)
        self.smooth = bool(smooth)

    def decay(self, step: tf.Tensor) -> tf.Tensor:
        exponent = step / self.decay_steps
        if not self.smooth:
            exponent = tf.floor(exponent)
        rate = self.start_lr * tf.pow(tf.constant(self.decay_rate, tf.float64), exponent)
        return tf.maximum(rate, self.stop_lr)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | self._given


@keras.saving.register_keras_serializable(package="deepattn")
class CosineSchedule(WarmupSchedule):
    """Half a cosine from ``start_lr`` down to ``stop_lr`` over the steps after the warm-up."""

    def decay(self, step: tf.Tensor) -> tf.Tensor:
        if self.decay_total == 0:
            return tf.fill(tf.shape(step), tf.constant(self.start_lr, tf.float64))
        lowest = self.stop_lr / self.start_lr
        swing = 0.5 * (1.0 - lowest) * (1.0 + tf.cos(math.pi * (step / self.decay_total)))
        rate = self.start_lr * (lowest + swing)
        return tf.where(
            step >= self.decay_total, tf.constant(self.start_lr * lowest, tf.float64), rate
        )


@keras.saving.register_keras_serializable(package="deepattn")
class WsdSchedule(WarmupSchedule):
    """Warm-up, stable phase at ``start_lr``, then a decay to ``stop_lr`` at the end.

    Args:
        start_lr, stop_lr, num_steps: see `WarmupSchedule`.
        decay_phase_ratio: length of the decay as a part of ``num_steps``, in (0, 1].
        decay_type: ``"inverse_linear"`` (in 1/rate), ``"cosine"`` or ``"linear"``.
        **warmup: see `WarmupSchedule`.
    """

    def __init__(
        self,
        start_lr: float,
        stop_lr: float,
        num_steps: int,
        *,
        decay_phase_ratio: float = 0.1,
        decay_type: str = "inverse_linear",
        **warmup: Any,
    ) -> None:
        super().__init__(start_lr, stop_lr, num_steps, **warmup)
        given = {"decay_phase_ratio": decay_phase_ratio, "decay_type": decay_type}
        WsdConfig.check_keys(given, "learning_rate")
        self.decay_phase_ratio = float(decay_phase_ratio)
        self.decay_type = decay_type
        length = int(self.decay_phase_ratio * self.num_steps)
        self.decay_length = max(1, min(length, self.decay_total))
        self.stable_steps = self.decay_total - self.decay_length

    def decay(self, step: tf.Tensor) -> tf.Tensor:
        start = tf.constant(self.start_lr, tf.float64)
        stop = tf.constant(self.stop_lr, tf.float64)
        tau = tf.clip_by_value((step - self.stable_steps) / self.decay_length, 0.0, 1.0)
        if self.decay_type == "inverse_linear":
            rate = 1.0 / (tau / stop + (1.0 - tau) / start)
        elif self.decay_type == "cosine":
            rate = stop + (start - stop) * 0.5 * (1.0 + tf.cos(math.pi * tau))
        else:
            rate = start + (stop - start) * tau
        rate = tf.where(step < self.stable_steps, start, rate)
        return tf.where(step >= self.decay_total, stop, rate)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "decay_phase_ratio": self.decay_phase_ratio,
            "decay_type": self.decay_type,
        }


_SCHEDULES = {"exp": ExpSchedule, "cosine": CosineSchedule, "wsd": WsdSchedule}


def scale_of_workers(rule: str, workers: int) -> float:
    """Factor of the learning rate for batches of so many workers, by ``scale_by_worker``."""
    return {"linear": float(workers), "sqrt": math.sqrt(workers), "none": 1.0}[rule]


def make_schedule(
    learning_rate: Mapping[str, Any], num_steps: int, *, workers: int = 1
) -> WarmupSchedule:
    """Build the schedule of a normalized ``learning_rate`` section.

    Args:
        learning_rate: section as in ``out.json``: ``type``, ``start_lr``, ``stop_lr`` or
            ``stop_lr_ratio``, ``warmup_steps`` or ``warmup_ratio``, and the keys of its type.
        num_steps: number of training steps.
        workers: devices that share a batch; ``scale_by_worker`` says what that does to the rates.

    Raises:
        ConfigError: an unknown type or a value out of range.
    """
    section = {key: value for key, value in learning_rate.items() if value is not None}
    kind = section.pop("type", "exp")
    if kind not in _SCHEDULES:
        raise ConfigError(f"learning_rate/type is {kind!r}; use one of {sorted(_SCHEDULES)}.")
    start_lr = section.pop("start_lr")
    stop_lr = section.pop("stop_lr", 5e-8)
    ratio = section.pop("stop_lr_ratio", None)
    if ratio is not None:
        stop_lr = start_lr * ratio
    warmup_ratio = section.pop("warmup_ratio", None)
    if warmup_ratio is not None:
        section["warmup_steps"] = int(warmup_ratio * num_steps)
    scale = scale_of_workers(section.pop("scale_by_worker", "linear"), workers)
    return _SCHEDULES[kind](scale * start_lr, scale * stop_lr, num_steps, **section)
