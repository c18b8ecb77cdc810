"""The schedule ``wsd``."""

import math
from typing import Any

import keras
import tensorflow as tf

from deepattn.schedules.base import Schedule
from deepattn.schedules.wsd.config import WsdConfig


@keras.saving.register_keras_serializable(package="deepattn")
class WsdSchedule(Schedule):
    """Warm-up, stable phase at ``start_lr``, then a decay to ``stop_lr`` at the end.

    Args:
        start_lr, stop_lr, num_steps: See `Schedule`.
        decay_phase_ratio: Length of the decay as a part of ``num_steps``, in (0, 1].
        decay_type: ``"inverse_linear"`` (in 1/rate), ``"cosine"`` or ``"linear"``.
        **keys: See `Schedule`.
    """

    section = WsdConfig
    config: WsdConfig

    def __init__(self, start_lr: float, stop_lr: float, num_steps: int, **keys: Any) -> None:
        super().__init__(start_lr, stop_lr, num_steps, **keys)
        self.decay_phase_ratio = self.config.decay_phase_ratio
        self.decay_type = self.config.decay_type
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
