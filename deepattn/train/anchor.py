"""The pull of weights towards the values that a fine-tuning starts from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deepattn.formats.checkpoint import FISHER, START
from deepattn.train.fisher import Fisher


class Anchor:
    r"""A penalty on distances of weights from the start.

    .. math:: \frac12 \sum_i \bigl(\lambda + \mu F_i\bigr) \bigl(w_i - w_i^{(0)}\bigr)^2

    With :math:`\lambda` alone this is L2-SP (Li, Grandvalet and Davoine, arXiv:1802.01483), with
    :math:`\mu` elastic weight consolidation (Kirkpatrick *et al.*, arXiv:1612.00796). Called with
    the gradients of the rest of the loss it returns those of the whole.

    Args:
        variables: The weights that are pulled, by name.
        l2_sp: :math:`\lambda`.
        arrays: Their values at the start, by name; where there is none, the present ones.
        ewc: :math:`\mu`.
        fisher: F of the weights, where that is not zero.
        start_lr: Learning rate to which ``fisher.start`` belongs.
    """

    def __init__(
        self,
        variables: Mapping[str, keras.Variable],
        l2_sp: float,
        *,
        arrays: Mapping[str, np.ndarray],
        ewc: float = 0.0,
        fisher: Fisher | None = None,
        start_lr: float = 1.0,
    ) -> None:
        self._first = {
            name: arrays.get(name, variable.numpy()) for name, variable in variables.items()
        }
        self._l2_sp, self._ewc, self._fisher, self._start_lr = l2_sp, ewc, fisher, start_lr
        # Constants in the graph of every task would be stored once for each.
        self._starts = {id(v): _constant(self._first[name], v) for name, v in variables.items()}
        self._importance: dict[int, tuple[tf.Variable, tf.Variable]] = {}
        if fisher is not None:
            self._importance = {
                id(v): (_constant(fisher.start[name], v), _constant(fisher.limit[name], v))
                for name, v in variables.items()
            }

    def arrays(self) -> dict[str, np.ndarray]:
        """What a resumed training needs of it, by the names in a checkpoint."""
        fisher = {} if self._fisher is None else self._fisher.arrays()
        return {START + name: array for name, array in self._first.items()} | {
            FISHER + name: array for name, array in fisher.items()
        }

    def __call__(
        self, gradients: Sequence[Any], weights: Sequence[keras.Variable], learning_rate: Any
    ) -> list[tf.Tensor | None]:
        """Gradients of the loss with the penalty.

        Args:
            gradients: Those without it, one a weight, of this replica's part of the loss.
            weights: Trained weights.
            learning_rate: Of this step.
        """
        share = tf.cast(learning_rate, tf.float64) / self._start_lr
        return [
            self._with_pull(gradient, weight, share)
            for gradient, weight in zip(gradients, weights, strict=True)
        ]

    def _with_pull(
        self, gradient: Any, weight: keras.Variable, share: tf.Tensor
    ) -> tf.Tensor | None:
        start = self._starts.get(id(weight))
        if start is None:
            return gradient
        strength: Any = self._l2_sp
        if id(weight) in self._importance:
            first, limit = self._importance[id(weight)]
            part = tf.cast(share, weight.dtype)
            strength += self._ewc * (limit + part * (first - limit))
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        pull = strength / replicas * (tf.convert_to_tensor(weight) - start)
        return pull if gradient is None else gradient + pull


def _constant(array: np.ndarray, weight: keras.Variable) -> tf.Variable:
    return tf.Variable(array, dtype=weight.dtype, trainable=False)
