"""Adam with the arithmetic of the programs in which published potentials were trained."""

from __future__ import annotations

import deepattn.keras_backend  # noqa: F401

# isort: split
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deepattn import ops
from deepattn.optimizers.base import Optimizer


@keras.saving.register_keras_serializable(package="deepattn")
class Adam(Optimizer):
    """Adam (Kingma and Ba, arXiv:1412.6980) that rounds like TensorFlow 1's.

    A weight ``w`` with gradient ``g`` is moved, in the precision of the weight, by::

        m <- m + (g - m) * (1 - beta_1)
        v <- v + (g * g - v) * (1 - beta_2)
        w <- w - lr * sqrt(1 - beta_2**t) / (1 - beta_1**t) * m / (sqrt(v) + epsilon)

    It differs from `keras.optimizers.Adam` in the numbers, not in the method: the learning rate,
    the betas and epsilon are rounded to float32 also for float64 weights, and the powers of the
    betas are float32 products carried from step to step.

    Args:
        learning_rate: A number or a schedule.
        beta_1: Decay of the first moment.
        beta_2: Decay of the second moment.
        epsilon: Added to the root of the second moment.
        l2_penalty: Times the weight, added to the gradient.
        **kwargs: The common arguments of a Keras optimizer, e.g. ``global_clipnorm``.
    """

    # Precision of the betas and their powers.
    _precision = "float32"

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule = 1e-3,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        l2_penalty: float = 0.0,
        name: str = "adam",
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.l2_penalty = l2_penalty

    def build(self, variables: list[keras.Variable], groups: Sequence[int] | None = None) -> None:
        """Make the moments; each group has powers of the betas of its own."""
        if self.built:
            return
        super().build(variables, groups)
        self._momentums, self._velocities = self.add_optimizer_variables(
            variables, ["momentum", "velocity"]
        )
        self._groups = [0] * len(variables) if groups is None else list(groups)
        self._beta_powers = [
            [
                self.add_variable(
                    (),
                    # A Python number would be rounded to Keras's float type first.
                    initializer=keras.initializers.Constant(np.float64(beta)),
                    dtype=self._precision,
                    aggregation="only_first_replica",
                    name=name,
                )
                for beta, name in ((self.beta_1, "beta1_power"), (self.beta_2, "beta2_power"))
            ]
            for _ in range(max(self._groups, default=0) + 1)
        ]

    def apply(self, grads: list[Any], trainable_variables: list[Any] | None = None) -> None:
        super().apply(grads, trainable_variables)
        # With accumulated gradients only the last of the accumulated steps moved the weights.
        moved = tf.equal(self._iterations.value % (self.gradient_accumulation_steps or 1), 0)
        for group in self._groups_of(trainable_variables):
            betas = (self.beta_1, self.beta_2)
            for power, beta in zip(self._beta_powers[group], betas, strict=True):
                factor = tf.constant(beta, power.dtype)
                power.assign(tf.where(moved, power.value * factor, power.value))

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        self._move([(gradient, variable)], learning_rate)

    def _backend_update_step(
        self, grads: list[Any], trainable_variables: list[Any], learning_rate: Any
    ) -> None:
        if tf.distribute.has_strategy():
            super()._backend_update_step(grads, trainable_variables, learning_rate)
        else:
            self._move(list(zip(grads, trainable_variables, strict=True)), learning_rate)

    def _move(self, members: list[tuple[Any, Any]], learning_rate: Any) -> None:
        """Move variables by their gradients, those of one type and group together."""
        parts: dict[tuple[str, int], list[tuple[Any, Any, int]]] = {}
        for gradient, variable in members:
            index = self._get_variable_index(variable)
            key = (variable.dtype, self._groups[index])
            parts.setdefault(key, []).append((gradient, variable, index))
        for (dtype, group), part in parts.items():
            numbers = self._numbers(group, learning_rate, dtype)
            if self.l2_penalty:
                numbers = numbers._replace(l2=tf.constant(self.l2_penalty, dtype))
            ops.adam_step(
                [_stored(variable) for _, variable, _ in part],
                [self._momentums[index].value for _, _, index in part],
                [self._velocities[index].value for _, _, index in part],
                [tf.cast(gradient, dtype) for gradient, _, _ in part],
                numbers,
            )

    def _numbers(self, group: int, learning_rate: Any, dtype: str) -> ops.AdamNumbers:
        """Numbers of a step, for weights of a group and a type."""
        beta_1, beta_2, epsilon = (
            tf.cast(tf.constant(x, tf.float32), dtype)
            for x in (self.beta_1, self.beta_2, self.epsilon)
        )
        beta_1_power, beta_2_power = (tf.cast(x.value, dtype) for x in self._beta_powers[group])
        rate = tf.cast(tf.cast(learning_rate, tf.float32), dtype)
        return ops.AdamNumbers(
            rate=rate * tf.sqrt(1 - beta_2_power) / (1 - beta_1_power),
            left_of_beta_1=1 - beta_1,
            left_of_beta_2=1 - beta_2,
            epsilon=epsilon,
        )

    def _groups_of(self, variables: list[Any] | None) -> list[int]:
        if variables is None:
            return list(range(len(self._beta_powers)))
        return sorted({self._groups[self._get_variable_index(v)] for v in variables})

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "l2_penalty": self.l2_penalty,
        }


def _stored(variable: Any) -> Any:
    """The variable of TensorFlow; a strategy updates these, and not those of Keras."""
    return variable.value if isinstance(variable, keras.Variable) else variable


@keras.saving.register_keras_serializable(package="deepattn")
class TorchAdam(Adam):
    """Adam with the arithmetic of PyTorch, in which DPA-2 was trained.

    Epsilon is added to the root of the corrected second moment, and nothing is rounded::

        w <- w - lr / (1 - beta_1**t) * m / (sqrt(v / (1 - beta_2**t)) + epsilon)

    For weights whose gradients are about as small as epsilon that is another step than `Adam`'s.
    """

    _precision = "float64"

    def _numbers(self, group: int, learning_rate: Any, dtype: str) -> ops.AdamNumbers:
        left_1, left_2 = (tf.cast(1 - power.value, dtype) for power in self._beta_powers[group])
        return ops.AdamNumbers(
            rate=tf.cast(learning_rate, dtype) / left_1,
            left_of_beta_1=tf.constant(1 - self.beta_1, dtype),
            left_of_beta_2=tf.constant(1 - self.beta_2, dtype),
            epsilon=tf.constant(self.epsilon, dtype),
            left=left_2,
        )
