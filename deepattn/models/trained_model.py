"""What a model needs for its training: the loss, its metrics, and steps."""

from __future__ import annotations

import deepattn.keras_backend  # noqa: F401

# isort: split
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import keras
import tensorflow as tf

from deepattn.config import LOSSES, OPTIMIZERS, SCHEDULES
from deepattn.errors import ConfigError
from deepattn.models.loss_contract import EnergyLoss, check_loss, checked_result, unpack
from deepattn.models.loss_metrics import LossMetrics
from deepattn.registry import resolve

# Of gradients, weights and the learning rate; returns gradients.
Penalty = Callable[[Sequence[Any], Sequence[keras.Variable], Any], list[Any]]


class Stepper(Protocol):
    """Makes a step of an optimizer from gradients by the weights."""

    def apply(
        self, optimizer: Any, gradients: Sequence[Any], weights: Sequence[keras.Variable]
    ) -> None:
        """Move the weights."""


class TrainedModel(keras.Model):
    """A `keras.Model` whose loss sees all labels and outputs at once.

    Subclasses have a ``call`` with the argument ``with_descriptor``, and ``atom_mask`` among its
    outputs.

    Attributes:
        penalty: In a training: adds the gradient of a penalty on the weights to that of the loss.
        low_rank: In a training: makes the steps of the optimizer in other variables than the
            weights.
    """

    penalty: Penalty | None = None
    low_rank: Stepper | None = None

    def compile(
        self,
        optimizer: keras.optimizers.Optimizer | str = "adam",
        loss: EnergyLoss | None = None,
        **kwargs: Any,
    ) -> None:
        """Prepare for training.

        The loss and the values that it reports are Keras metrics. Over an epoch or an evaluation
        each is the mean over the frames. A loss with a method ``sums`` of the same arguments
        returns there, in place of a value, the pair (sum of weighted squares, sum of weights);
        the metric is then the root of their ratio over all batches, NaN if the weights are zero.
        Metrics that it declares without ``root`` (`deepattn.config.loss.Metric`) are the ratio.

        Args:
            optimizer: A Keras optimizer.
            loss: Callable of ``(labels, outputs, learning_rate)`` that returns the loss and a
                dictionary of metrics, such as `deepattn.train.EnergyLoss`.
            **kwargs: As for `keras.Model.compile`, without ``metrics`` and weights of losses.

        Raises:
            ConfigError: The loss or a metric is of another kind.
        """
        for key in ("loss_weights", "metrics", "weighted_metrics"):
            if kwargs.get(key) is not None:
                raise ConfigError(
                    f"compile does not take {key}: the loss weights its terms and reports "
                    "the metrics; return further metrics in the dictionary of a custom loss."
                )
        check_loss(loss)
        super().compile(optimizer=optimizer, **kwargs)
        self.training_loss = loss
        names = getattr(loss, "metric_names", ()) if hasattr(loss, "sums") else ()
        means = {metric.name for metric in getattr(loss, "metrics", ()) if not metric.root}
        self._loss_metrics = LossMetrics(names, means if names else ())

    def get_compile_config(self) -> dict[str, Any]:
        config = super().get_compile_config()
        if config:
            config["loss"] = keras.saving.serialize_keras_object(self.training_loss)
        return config

    def compile_from_config(self, config: dict[str, Any]) -> None:
        # So that Keras knows what the file names.
        for registry in (LOSSES, OPTIMIZERS, SCHEDULES):
            for kind in registry.loaded().values():
                resolve(kind.implementation)
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The loss and its terms; those of a loss without ``sums`` appear with the first batch."""
        return self._loss_metrics.metrics if self.compiled else []

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Update the weights; returns the metrics over all batches of the epoch."""
        return self._count(*self._train(data, self._sums))

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """The metrics over all batches of the evaluation."""
        return self._count(*self._test(data, self._sums))

    def train_step_metrics(self, data: Any) -> dict[str, tf.Tensor]:
        """Update the weights as `train_step`; returns the metrics of this batch alone."""
        loss, values, _ = self._train(data, self.training_loss)
        return {"loss": loss, **values}

    def test_step_metrics(self, data: Any) -> dict[str, tf.Tensor]:
        """The metrics of this batch alone."""
        loss, values, _ = self._test(data, self.training_loss)
        return {"loss": loss, **values}

    @property
    def _sums(self) -> EnergyLoss | None:
        return getattr(self.training_loss, "sums", self.training_loss)

    def _train(
        self, data: Any, measure: EnergyLoss | None
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor], tf.Tensor]:
        inputs, labels = unpack(data)
        with tf.GradientTape() as tape:
            outputs = self._outputs(inputs, training=True)
            loss, values = self._measure(measure, labels, outputs)
            replicas = tf.distribute.get_strategy().num_replicas_in_sync
            scaled = self.optimizer.scale_loss(loss / replicas)
        weights = self.trainable_weights
        gradients = tape.gradient(scaled, weights)
        if self.penalty is not None:
            gradients = self.penalty(gradients, weights, self.optimizer.learning_rate)
        if self.low_rank is None:
            self.optimizer.apply(gradients, weights)
        else:
            self.low_rank.apply(self.optimizer, gradients, weights)
        return loss, values, tf.shape(outputs["atom_mask"])[0]

    def _test(
        self, data: Any, measure: EnergyLoss | None
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor], tf.Tensor]:
        inputs, labels = unpack(data)
        outputs = self._outputs(inputs, training=False)
        return *self._measure(measure, labels, outputs), tf.shape(outputs["atom_mask"])[0]

    def _outputs(self, inputs: Any, *, training: bool) -> dict[str, tf.Tensor]:
        """What the loss reads."""
        outputs = self(inputs, training=training, with_descriptor=False)
        if getattr(self.training_loss, "needs_hessian", False):
            outputs = {**outputs, "hessian": self.hessian(inputs)}
        return outputs

    def hessian(self, inputs: Any) -> tf.Tensor:
        """Second derivatives of the energy; only energy models have them."""
        raise NotImplementedError(f"{type(self).__name__} has no Hessian")

    def _measure(
        self,
        measure: EnergyLoss | None,
        labels: Mapping[str, tf.Tensor],
        outputs: Mapping[str, tf.Tensor],
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        if measure is None:
            raise ValueError("compile the model with a loss first: model.compile(optimizer, loss)")
        return checked_result(measure(labels, outputs, self.optimizer.learning_rate))

    def _count(
        self, loss: tf.Tensor, values: Mapping[str, tf.Tensor], nframes: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        self._loss_metrics.update(loss, values, nframes)
        return self._loss_metrics.results()
