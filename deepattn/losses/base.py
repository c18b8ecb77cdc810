"""The base of losses."""

from __future__ import annotations

import deepattn.keras_backend  # noqa: F401

# isort: split
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import tensorflow as tf

from deepattn.config import ModelConfig
from deepattn.config.loss import TOTAL, LossConfig, Metric
from deepattn.config.observable import Label
from deepattn.errors import DataError
from deepattn.registry import resolve

if TYPE_CHECKING:
    from typing_extensions import Self

Tensors = Mapping[str, tf.Tensor]
# By metric the sum of weighted squares, or values, and that of the weights.
Sums = Mapping[str, tuple[tf.Tensor, tf.Tensor]]


class Loss:
    """The loss of a training, and the metrics of its learning curve.

    A loss of your own is a subclass with `section` and `measure`, and with `metrics` and
    `label_names` where they depend on the keys (docs/extending.md). Decorate it with
    `keras.saving.register_keras_serializable` to have it in Keras' files.

    Args:
        start_lr: Learning rate of the first step; weights may follow the rate from there.
        **keys: Keys of the section ``loss``; the others have their defaults.

    Class attributes:
        section: Class of the section of the input.

    Attributes:
        config: The section.
        numb_generalized_coord: Width of the label ``drdq``, where the loss reads it.
        needs_hessian: Whether it reads the output ``hessian [nframes, 3 * nloc, 3 * nloc]``.

    Raises:
        ConfigError: An unknown key, a value out of range, or a combination that is not defined.
    """

    section: ClassVar[type[LossConfig]]
    numb_generalized_coord: int = 0
    needs_hessian: bool = False

    def __init__(self, start_lr: float, **keys: Any) -> None:
        self.start_lr = float(start_lr)
        section = self.section.of_keys("loss", **keys)
        self.section.check(section, "loss")
        self.config = self.section.from_dict(section)

    @classmethod
    def of_model(cls, config: LossConfig, start_lr: float, model: ModelConfig) -> Self:
        """The loss of a section, for a model.

        Args:
            config: The section.
            start_lr: Learning rate of the first step.
            model: The section ``model``.
        """
        keys = config.to_dict()
        del keys["type"]
        return cls(start_lr, **keys)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Metrics in addition to the total, in the order of the columns of ``lcurve.out``."""
        return self.config.metrics

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Names of the metrics, the total first."""
        return (TOTAL.name, *(metric.name for metric in self.metrics))

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of the labels that the loss reads."""
        return tuple(sorted({label for metric in self.metrics for label in metric.labels}))

    @property
    def labels(self) -> tuple[str | Label, ...]:
        """The labels that the loss reads, with their widths where those are up to the model."""
        return self.label_names

    def measure(
        self, labels: Tensors, outputs: Tensors, learning_rate: tf.Tensor
    ) -> tuple[tf.Tensor, Sums]:
        """Loss of a batch, and its metrics as sums that may be added up over batches.

        Args:
            labels: Reference values of `label_names` and their ``find_*`` (docs/architecture.md),
                float64.
            outputs: Outputs of the model, float64, with ``atom_mask [nframes, nloc]``, 1 for a real
                atom.
            learning_rate: Current rate, float32; float64 with a model of the common convention.

        Returns:
            The loss, a float64 scalar, and for each metric the sum of weighted squares and that of
            the weights, float64 scalars. The root of their ratio is shown. For a metric without
            ``root`` it is a sum of weighted values, whose ratio is shown.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define measure")

    def __call__(
        self, labels: Tensors, outputs: Tensors, learning_rate: tf.Tensor | float
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Loss of a batch and the metrics of the learning curve.

        Args:
            labels: Reference values and their ``find_*`` (see the architecture page), of one batch.
            outputs: Outputs of the model, with ``atom_mask [nframes, nloc]``, 1 for a real atom.
            learning_rate: Current rate; moves the weights of the terms.

        Returns:
            The loss, float64 scalar, and a dictionary of `metric_names` to float64 scalars; NaN
            where no frame has the label.
        """
        loss, sums = self.sums(labels, outputs, learning_rate)
        nan = tf.constant(float("nan"), tf.float64)
        means = {
            name: tf.where(weight > 0, tf.math.divide_no_nan(total, weight), nan)
            for name, (total, weight) in sums.items()
        }
        plain = {metric.name for metric in self.metrics if not metric.root}
        metrics = {name: x if name in plain else tf.sqrt(x) for name, x in means.items()}
        # Not of the sum over its number, which rounds.
        return loss, metrics | {TOTAL.name: tf.sqrt(loss)}

    def sums(
        self, labels: Tensors, outputs: Tensors, learning_rate: tf.Tensor | float
    ) -> tuple[tf.Tensor, dict[str, tuple[tf.Tensor, tf.Tensor]]]:
        """Loss of a batch, and its metrics as sums that may be added up over batches.

        Args:
            labels, outputs, learning_rate: As in a call.

        Returns:
            The loss, and a dictionary of `metric_names` to pairs of float64 scalars: The sum of
            weighted squares and that of the weights. The root of their ratio is the metric; for
            one without ``root`` the sum is of weighted values, and the ratio is the metric.

        Raises:
            DataError: A label is missing.
        """
        self._check_labels(labels)
        labels = {name: tf.cast(value, tf.float64) for name, value in labels.items()}
        outputs = {name: tf.cast(value, tf.float64) for name, value in outputs.items()}
        loss, sums = self.measure(labels, outputs, tf.convert_to_tensor(learning_rate))
        nframes = tf.cast(tf.shape(outputs["atom_mask"])[0], tf.float64)
        return loss, {TOTAL.name: (loss * nframes, nframes), **sums}

    def _check_labels(self, labels: Tensors) -> None:
        finds = {f"find_{label}" for metric in self.metrics for label in metric.labels}
        for name in sorted(finds.union(self.label_names)):
            if name not in labels:
                raise DataError(
                    f"the loss needs the label {name}, but there are only "
                    f"{', '.join(sorted(labels))}; for a frame without the label give zeros "
                    "and set its find_… to 0"
                )

    def get_config(self) -> dict[str, Any]:
        section = self.config.to_dict()
        del section["type"]
        return {"start_lr": self.start_lr, **section}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Loss:
        return cls(**config)


def found_labels(labels: Tensors, metric: Metric) -> tf.Tensor:
    """Which frames have all labels of a metric: 1 or 0, ``[nframes]``."""
    found = labels[f"find_{metric.labels[0]}"]
    for label in metric.labels[1:]:
        found *= labels[f"find_{label}"]
    return found


def weighted_mean(values: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
    """The mean of some values by their weights; 0 where all weights are."""
    return tf.math.divide_no_nan(tf.reduce_sum(values * weight), tf.reduce_sum(weight))


def prefactor(ends: tuple[float, float], learning_rate: tf.Tensor, start_lr: float) -> tf.Tensor:
    """A prefactor between its ends, at the start and as the rate goes to zero, float64.

    It is computed in the precision of the rate, as DeePMD-kit's backends combine the three.
    """
    start, limit = ends
    return tf.cast(limit + (start - limit) * learning_rate / start_lr, tf.float64)


def make_loss(config: LossConfig, start_lr: float, model: ModelConfig) -> Loss:
    """Build the loss of a ``loss`` section.

    Args:
        config: The section.
        start_lr: Learning rate of the first step.
        model: The section ``model``.
    """
    return resolve(config.implementation).of_model(config, start_lr, model)
