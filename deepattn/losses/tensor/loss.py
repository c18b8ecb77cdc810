"""The loss of dipole moments and polarizabilities."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import tensorflow as tf

from deepattn.config.loss import Metric
from deepattn.config.observable import Label
from deepattn.losses.base import Sums
from deepattn.losses.observable import ObservableLoss, mean_of, sums_of
from deepattn.losses.tensor.config import TensorLossConfig

_WEIGHT = "atom_weight"


@keras.saving.register_keras_serializable(package="deepattn")
class TensorLoss(ObservableLoss):
    """Weighted sum of mean squared errors of tensors, the ``tensor`` loss of DeePMD-kit.

    There are two terms: the tensors of the atoms of the chosen types, and that of a frame, whose
    error is divided once by the number of these atoms, in the common convention not.

    Args:
        start_lr: Not used: the weights do not follow the learning rate.
        pref: Weight of the tensor of a frame.
        pref_atomic: Weight of the tensors of the atoms.
        enable_atomic_weight: Whether errors of atoms are multiplied by the label ``atom_weight``.
        observable, common: As for `ObservableLoss`.

    Raises:
        ConfigError: No prefactor is positive.
    """

    section = TensorLossConfig
    config: TensorLossConfig

    def has(self, metric: Metric) -> bool:
        return self._weight(metric) > 0

    @property
    def label_names(self) -> tuple[str, ...]:
        names = super().label_names
        return (*names, _WEIGHT) if self.config.enable_atomic_weight else names

    @property
    def known_labels(self) -> tuple[Label, ...]:
        types = self.observable.types
        weight = Label(_WEIGHT, 1, atomic=True, types=types, default=1.0)
        return (*super().known_labels, weight)

    def measure(
        self,
        labels: Mapping[str, tf.Tensor],
        outputs: Mapping[str, tf.Tensor],
        learning_rate: tf.Tensor,
    ) -> tuple[tf.Tensor, Sums]:
        natoms = tf.reduce_sum(outputs["atom_mask"], axis=1)[:, tf.newaxis]
        loss, sums = tf.zeros((), tf.float64), {}
        for metric in self.metrics:
            of_atoms = metric.name == "rmse_lc"
            error, found = (self.atom_error if of_atoms else self.frame_error)(labels, outputs)
            if of_atoms and self.config.enable_atomic_weight:
                error *= labels[_WEIGHT]
            square = tf.square(error)
            cost, shown = square, square
            if not of_atoms:
                cost = square if self.common else tf.math.divide_no_nan(square, natoms)
                shown = tf.math.divide_no_nan(square, natoms**2)
            loss += self._weight(metric) * mean_of(cost, found)
            sums[metric.name] = sums_of(shown, found)
        return loss, sums

    def _weight(self, metric: Metric) -> float:
        return self.config.pref_atomic if metric.name == "rmse_lc" else self.config.pref
