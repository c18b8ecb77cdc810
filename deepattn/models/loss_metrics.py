"""Keras metrics of a loss and of the terms that it reports."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf


class RootMeanSquare(keras.metrics.Metric):
    """Root of the mean square over all batches since the last reset; NaN over nothing.

    Args:
        name: Name of the metric.
        dtype: Precision of the sums.
    """

    def __init__(self, name: str = "rmse", dtype: str = "float64") -> None:
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_variable((), "zeros", dtype=self.dtype, name="total")
        self.weight = self.add_variable((), "zeros", dtype=self.dtype, name="weight")

    def update_state(self, total: tf.Tensor, weight: tf.Tensor) -> None:
        """Count a batch.

        Args:
            total: Sum of the weighted squares.
            weight: Sum of the weights.
        """
        self.total.assign_add(tf.cast(total, self.dtype))
        self.weight.assign_add(tf.cast(weight, self.dtype))

    def result(self) -> tf.Tensor:
        # 0 / 0 is NaN: no frame had the label.
        return tf.sqrt(tf.convert_to_tensor(self.total) / tf.convert_to_tensor(self.weight))


class WeightedMean(RootMeanSquare):
    """The weighted mean of what `RootMeanSquare` takes the root of."""

    def result(self) -> tf.Tensor:
        return tf.convert_to_tensor(self.total) / tf.convert_to_tensor(self.weight)


class LossMetrics:
    """The metric ``loss`` and one for each value that a loss reports, in its order.

    Args:
        names: Metrics that are known before the first batch. Those of a loss that does not declare
            its names are created with the first batch.
        means: Those of them that are means; the others are roots of mean squares.
    """

    def __init__(self, names: Sequence[str] = (), means: Collection[str] = ()) -> None:
        self._means = means
        self._metrics: dict[str, keras.metrics.Metric] = {}
        self._metric("loss", keras.metrics.Mean)
        for name in names:
            self._metric(name, self._kind(name))

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The metrics."""
        return list(self._metrics.values())

    def update(self, loss: tf.Tensor, values: Mapping[str, Any], nframes: tf.Tensor) -> None:
        """Add a batch.

        Args:
            loss: Its loss.
            values: By name, either a pair (sum of squares or values, sum of weights), whose root
                mean square or mean is reported, or a number, whose mean over the frames is
                reported.
            nframes: Number of its frames.
        """
        self._metric("loss", keras.metrics.Mean).update_state(loss, sample_weight=nframes)
        for name, value in values.items():
            if isinstance(value, tuple):
                self._metric(name, self._kind(name)).update_state(*value)
            else:
                self._metric(name, keras.metrics.Mean).update_state(value, sample_weight=nframes)

    def results(self) -> dict[str, tf.Tensor]:
        """Values over all batches since the last reset."""
        return {name: metric.result() for name, metric in self._metrics.items()}

    def _kind(self, name: str) -> type[RootMeanSquare]:
        return WeightedMean if name in self._means else RootMeanSquare

    def _metric(self, name: str, kind: type[keras.metrics.Metric]) -> keras.metrics.Metric:
        if name not in self._metrics:
            # Out of a function that is being traced, which would own the variables.
            with tf.init_scope():
                self._metrics[name] = kind(name=name, dtype="float64")
        return self._metrics[name]
