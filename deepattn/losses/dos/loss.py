"""The loss of densities of states."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import tensorflow as tf

from deepattn.config.loss import Metric
from deepattn.losses.base import Sums, prefactor
from deepattn.losses.dos.config import DosLossConfig
from deepattn.losses.observable import ObservableLoss, mean_of, sums_of


@keras.saving.register_keras_serializable(package="deepattn")
class DosLoss(ObservableLoss):
    """Weighted sum of mean squared errors of densities of states, the ``dos`` loss of DeePMD-kit.

    There are four terms: the density of a frame, that of each atom, and the running sums of both
    over the energy grid. The weight of term x follows the learning rate as in `EnergyLoss`. The
    errors of a frame are divided once by its number of atoms, in the common convention not.

    Args:
        start_lr: Learning rate at which the weights are the ``start_pref`` ones.
        start_pref_dos, limit_pref_dos: Weight of the density of a frame.
        start_pref_ados, limit_pref_ados: Weight of the densities of its atoms.
        start_pref_cdf, limit_pref_cdf: Weight of the running sum of a frame.
        start_pref_acdf, limit_pref_acdf: Weight of the running sums of its atoms.
        observable, common: As for `ObservableLoss`.

    Raises:
        ConfigError: No prefactor is positive.
    """

    section = DosLossConfig
    config: DosLossConfig

    def has(self, metric: Metric) -> bool:
        return any(self.config.prefactors(metric.term))

    def measure(
        self,
        labels: Mapping[str, tf.Tensor],
        outputs: Mapping[str, tf.Tensor],
        learning_rate: tf.Tensor,
    ) -> tuple[tf.Tensor, Sums]:
        natoms = tf.reduce_sum(outputs["atom_mask"], axis=1)[:, tf.newaxis]
        loss, sums = tf.zeros((), tf.float64), {}
        for metric in self.metrics:
            of_atoms = metric.term.startswith("a")
            error, found = (self.atom_error if of_atoms else self.frame_error)(labels, outputs)
            if metric.term.endswith("cdf"):
                error = tf.cumsum(error, axis=-1)
            square = tf.square(error)
            cost = square if of_atoms or self.common else square / natoms
            pref = prefactor(self.config.prefactors(metric.term), learning_rate, self.start_lr)
            loss += pref * mean_of(cost, found)
            shown = square if of_atoms else square / natoms**2
            sums[metric.name] = sums_of(shown, found)
        return loss, sums
