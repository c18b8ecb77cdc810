"""The loss of properties."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import tensorflow as tf

from deepattn.config.loss import Metric
from deepattn.losses.base import Sums
from deepattn.losses.observable import ObservableLoss, mean_of, sums_of
from deepattn.losses.property.config import PropertyLossConfig

# Added to labels that divide.
_PROTECTION = 1e-3


@keras.saving.register_keras_serializable(package="deepattn")
class PropertyLoss(ObservableLoss):
    """Errors of a property in spreads of the labels, the ``property`` loss of DeePMD-kit.

    The property of a frame is compared per atom, unless it is intensive. Errors are added up over
    frames and components; of ``rmse`` and ``mape`` the mean is taken.

    Args:
        start_lr: Not used.
        loss_func: What is minimized.
        metric: Errors that are reported.
        beta: Error below which ``smooth_mae`` is quadratic.
        observable, common: As for `ObservableLoss`.
    """

    section = PropertyLossConfig
    config: PropertyLossConfig

    def has(self, metric: Metric) -> bool:
        return _error_of(metric) in self.config.metric

    def measure(
        self,
        labels: Mapping[str, tf.Tensor],
        outputs: Mapping[str, tf.Tensor],
        learning_rate: tf.Tensor,
    ) -> tuple[tf.Tensor, Sums]:
        label, found = labels[self.observable.name], labels[f"find_{self.observable.name}"]
        predicted, found = outputs[self.observable.name], found[:, tf.newaxis]
        if not self.observable.intensive:
            natoms = tf.reduce_sum(outputs["atom_mask"], axis=1)[:, tf.newaxis]
            label, predicted = label / natoms, predicted / natoms
        error, kind = label - predicted, self.config.loss_func
        scaled = error if kind == "mape" else error / outputs["label_spread"]
        cost = self._cost(kind, scaled, label)
        if kind in ("rmse", "mape"):
            loss = mean_of(cost, found)
            loss = _root(loss) if kind == "rmse" else loss
        else:
            loss, _ = sums_of(cost, found)
        return loss, {
            metric.name: sums_of(self._cost(_error_of(metric), error, label), found)
            for metric in self.metrics
        }

    def _cost(self, kind: str, error: tf.Tensor, label: tf.Tensor) -> tf.Tensor:
        size = tf.abs(error)
        if kind == "smooth_mae":
            beta = self.config.beta
            return tf.where(size < beta, 0.5 * tf.square(error) / beta, size - 0.5 * beta)
        if kind == "mape":
            return tf.abs(error / (label + _PROTECTION))
        return size if kind == "mae" else tf.square(error)


def _error_of(metric: Metric) -> str:
    return "rmse" if metric.name == "rmse_property" else metric.name


def _root(square: tf.Tensor) -> tf.Tensor:
    """The root, whose derivative at zero is zero."""
    return tf.where(square > 0, tf.sqrt(tf.where(square > 0, square, 1.0)), 0.0)
