"""The schedule ``cosine``."""

import math

import keras
import tensorflow as tf

from deepattn.schedules.base import Schedule
from deepattn.schedules.cosine.config import CosineConfig


@keras.saving.register_keras_serializable(package="deepattn")
class CosineSchedule(Schedule):
    """Half a cosine from ``start_lr`` down to ``stop_lr`` over the steps after the warm-up."""

    section = CosineConfig

    def decay(self, step: tf.Tensor) -> tf.Tensor:
        if self.decay_total == 0:
            return tf.fill(tf.shape(step), tf.constant(self.start_lr, tf.float64))
        lowest = self.stop_lr / self.start_lr
        swing = 0.5 * (1.0 - lowest) * (1.0 + tf.cos(math.pi * (step / self.decay_total)))
        rate = self.start_lr * (lowest + swing)
        return tf.where(
            step >= self.decay_total, tf.constant(self.start_lr * lowest, tf.float64), rate
        )
