"""The loss of an energy model of magnetic moments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from deepattn.config import ModelConfig
from deepattn.config.loss import LossConfig, Metric
from deepattn.losses.base import Loss, Sums, found_labels, prefactor, weighted_mean
from deepattn.losses.ener_spin.config import EnerSpinLossConfig

if TYPE_CHECKING:
    from typing_extensions import Self


@keras.saving.register_keras_serializable(package="deepattn")
class EnergySpinLoss(Loss):
    """Weighted sum of mean squared errors, the ``ener_spin`` loss of DeePMD-kit.

    The weight of term x at learning rate lr is
    ``limit_pref_x + (start_pref_x - limit_pref_x) * lr / start_lr``; a term with both at zero does
    not exist. Labels and outputs ``force`` have the magnetic forces in the places of the virtual
    atoms (`deepattn.models.SpinModel`), which count as atoms where energies and virials are
    divided by their number. In the common convention magnetic forces are ``force_mag``, and there
    are no virtual atoms.

    Args:
        start_lr: Learning rate at which the weights are the ``start_pref`` ones.
        start_pref_e, limit_pref_e: Weight of the energy.
        start_pref_fr, limit_pref_fr: Weight of the forces on atoms.
        start_pref_fm, limit_pref_fm: Weight of the magnetic forces.
        start_pref_v, limit_pref_v: Weight of the virial.
        intensive_ener_virial: Errors of energy and virial per atom, squared, instead of the squared
            error divided once by the number of atoms.
        common: Whether the model has the common convention.

    Raises:
        ConfigError: No prefactor is positive.
    """

    section = EnerSpinLossConfig
    config: EnerSpinLossConfig

    def __init__(self, start_lr: float, *, common: bool = False, **keys: Any) -> None:
        super().__init__(start_lr, **keys)
        self.common = common

    @property
    def metrics(self) -> tuple[Metric, ...]:
        magnetic = ("force_mag",) if self.common else ("force",)
        return tuple(
            one._replace(labels=magnetic) if one.term == "fm" else one
            for one in self.config.metrics
            if any(self.config.prefactors(one.term))
        )

    @classmethod
    def of_model(cls, config: LossConfig, start_lr: float, model: ModelConfig) -> Self:
        keys = config.to_dict()
        del keys["type"]
        return cls(start_lr, common=model.is_common, **keys)

    def measure(
        self,
        labels: Mapping[str, tf.Tensor],
        outputs: Mapping[str, tf.Tensor],
        learning_rate: tf.Tensor,
    ) -> tuple[tf.Tensor, Sums]:
        counted = outputs["atom_mask"]
        if not self.common:
            counted += outputs["mask_mag"]
        natoms = tf.reduce_sum(counted, axis=1)[:, tf.newaxis]
        loss, sums = tf.zeros((), tf.float64), {}
        for metric in self.metrics:
            term = metric.term
            error, weight = self._error(term, labels, outputs)
            found = found_labels(labels, metric)[:, tf.newaxis]
            weight *= found
            scaled = error / natoms if term in ("e", "v") else error
            cost = tf.square(scaled)
            if term in ("e", "v") and not self.config.intensive_ener_virial:
                cost = tf.square(error) / natoms
            pref = prefactor(self.config.prefactors(term), learning_rate, self.start_lr)
            loss += pref * tf.reduce_max(found) * weighted_mean(cost, weight)
            total = tf.reduce_sum(tf.square(scaled) * weight)
            sums[metric.name] = (total, tf.reduce_sum(weight))
        return loss, sums

    def _error(
        self, term: str, labels: Mapping[str, tf.Tensor], outputs: Mapping[str, tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Differences ``[nframes, n]`` of a term and the weight of each in its mean."""
        if term in ("e", "v"):
            name = {"e": "energy", "v": "virial"}[term]
            error = labels[name] - outputs[name]
            error = tf.reshape(error, [tf.shape(error)[0], -1])
            return error, tf.ones_like(error)
        mask = outputs["mask_mag" if term == "fm" else "atom_mask"]
        name = "force_mag" if term == "fm" and self.common else "force"
        error = (labels[name] - outputs[name]) * mask[:, :, tf.newaxis]
        return tf.reshape(error, [tf.shape(error)[0], -1]), tf.repeat(mask, 3, axis=1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "common": self.common}
