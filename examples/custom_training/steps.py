"""A custom schedule: the learning rate falls by a factor at given steps."""

from dataclasses import dataclass

import keras
import tensorflow as tf

from deepattn.config import ScheduleConfig
from deepattn.config.ranges import holds
from deepattn.config.section import key
from deepattn.schedules import Schedule


@dataclass(frozen=True, kw_only=True)
class StepsConfig(ScheduleConfig):
    """Falls by a factor at given steps."""

    implementation = "steps:Steps"

    milestones: tuple[int, ...] = key([], "Steps, after the warm-up, at which the rate falls.")
    factor: float = key(
        0.1,
        "Factor for the rate at each milestone.",
        check=holds(lambda factor: 0 < factor < 1, "lie between 0 and 1"),
    )


@keras.saving.register_keras_serializable(package="steps")
class Steps(Schedule):
    """``start_lr * factor ** n`` after ``n`` milestones, at least ``stop_lr``."""

    section = StepsConfig

    def decay(self, step):
        milestones = tf.constant(self.config.milestones, tf.float64)
        passed = tf.reduce_sum(tf.cast(step >= milestones, tf.float64))
        factor = tf.constant(self.config.factor, tf.float64)
        return tf.maximum(self.start_lr * tf.pow(factor, passed), self.stop_lr)
