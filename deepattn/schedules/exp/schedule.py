"""The schedule ``exp``."""

import math
from typing import Any

import keras
import tensorflow as tf

from deepattn.schedules.base import Schedule
from deepattn.schedules.exp.config import ExpConfig


@keras.saving.register_keras_serializable(package="deepattn")
class ExpSchedule(Schedule):
    """Exponential decay: ``start_lr * decay_rate ** floor(t / decay_steps)``, at least ``stop_lr``.

    Args:
        start_lr, stop_lr, num_steps: See `Schedule`.
        decay_steps: Steps between two decreases; one that does not fit into the run is replaced by
            100, or by a hundredth of a run of 1000 steps or fewer, unless ``decay_rate`` is given.
        decay_rate: Factor of one decrease; by default such that the rate would end at ``stop_lr``.
        smooth: Decrease at every step instead.
        **keys: See `Schedule`.
    """

    section = ExpConfig
    config: ExpConfig

    def __init__(self, start_lr: float, stop_lr: float, num_steps: int, **keys: Any) -> None:
        super().__init__(start_lr, stop_lr, num_steps, **keys)
        decay_steps, decay_rate = self.config.decay_steps, self.config.decay_rate
        total = self.decay_total
        if decay_rate is None and decay_steps >= total:
            decay_steps = 100 if total // 10 > 100 else total // 100 + 1
        if decay_rate is None:
            decay_rate = 1.0
            if total > 0:
                # Written with exp and log, not as a power, to round like DeePMD-kit.
                ratio = math.log(max(self.stop_lr, 1e-10) / self.start_lr)
                decay_rate = math.exp(ratio / (total / decay_steps))
        self.decay_steps = int(decay_steps)
        self.decay_rate = float(decay_rate)
        self.smooth = self.config.smooth

    def decay(self, step: tf.Tensor) -> tf.Tensor:
        exponent = step / self.decay_steps
        if not self.smooth:
            exponent = tf.floor(exponent)
        rate = self.start_lr * tf.pow(tf.constant(self.decay_rate, tf.float64), exponent)
        return tf.maximum(rate, self.stop_lr)
