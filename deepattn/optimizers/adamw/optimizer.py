"""AdamW with the arithmetic of PyTorch."""

from __future__ import annotations

import deepattn.keras_backend  # noqa: F401

# isort: split
from typing import Any

import keras
import tensorflow as tf

from deepattn import ops
from deepattn.optimizers.adam.optimizer import TorchAdam


@keras.saving.register_keras_serializable(package="deepattn")
class AdamW(TorchAdam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, arXiv:1711.05101).

    Before a step of `TorchAdam` every weight becomes smaller::

        w <- w - lr * weight_decay * w

    The decay does not enter the moments, so it acts alike on all weights, whatever the size of
    their gradients.

    Args:
        learning_rate: A number or a schedule.
        beta_1: Decay of the first moment.
        beta_2: Decay of the second moment.
        epsilon: Added to the root of the second moment.
        weight_decay: Share of a weight that a step takes off, relative to the learning rate.
        **kwargs: The common arguments of a Keras optimizer, e.g. ``global_clipnorm``.
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule = 1e-3,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 1e-3,
        name: str = "adamw",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            learning_rate, beta_1, beta_2, epsilon, name=name, weight_decay=weight_decay, **kwargs
        )

    def _numbers(self, group: int, learning_rate: Any, dtype: str) -> ops.AdamNumbers:
        decay = tf.cast(learning_rate, dtype) * self.weight_decay
        return super()._numbers(group, learning_rate, dtype)._replace(decay=decay)

    def _apply_weight_decay(self, variables: list[Any]) -> None:
        # Keras' own way to do it rounds the decay to float32.
        pass
