"""The pull of weights towards the values that a fine-tuning starts from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf


class Anchor:
    """L2-SP (Li, Grandvalet and Davoine, arXiv:1802.01483): a penalty on distances from the start.

    The loss is ``strength / 2 * sum((w - start)**2)`` larger. Called with the gradients of the rest
    of the loss it returns those of the whole.

    Args:
        variables: The weights that are pulled, by name.
        strength: ``training/finetune/l2_sp``.
        arrays: Their values at the start, by name; where there is none, the present ones.
    """

    def __init__(
        self,
        variables: Mapping[str, keras.Variable],
        strength: float,
        *,
        arrays: Mapping[str, np.ndarray],
    ) -> None:
        self.strength = strength
        self.arrays = {
            name: arrays.get(name, variable.numpy()) for name, variable in variables.items()
        }
        # A constant in the graph of every task would be stored once for each.
        self._starts = {
            id(variable): tf.Variable(self.arrays[name], dtype=variable.dtype, trainable=False)
            for name, variable in variables.items()
        }

    def __call__(
        self, gradients: Sequence[Any], weights: Sequence[keras.Variable]
    ) -> list[tf.Tensor | None]:
        """Gradients of the loss with the penalty.

        Args:
            gradients: Those without it, one a weight, of this replica's part of the loss.
            weights: Trained weights.
        """
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        return [
            self._with_pull(gradient, weight, replicas)
            for gradient, weight in zip(gradients, weights, strict=True)
        ]

    def _with_pull(self, gradient: Any, weight: keras.Variable, replicas: int) -> tf.Tensor | None:
        start = self._starts.get(id(weight))
        if start is None:
            return gradient
        pull = self.strength / replicas * (tf.convert_to_tensor(weight) - start)
        return pull if gradient is None else gradient + pull
