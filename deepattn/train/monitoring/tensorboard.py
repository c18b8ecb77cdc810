"""Events for TensorBoard, under the tags of DeePMD-kit."""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from deepattn.config.loss import TOTAL, Metric

_BINS = 30


class TensorBoardWriter:
    """Writes ``train`` and ``test`` below a folder, whose old content is removed.

    TensorBoard itself is needed only to look at the result.

    Args:
        folder: ``training.tensorboard_log_dir``.
    """

    def __init__(self, folder: str | os.PathLike) -> None:
        folder = Path(folder)
        for name in ("train", "test"):
            shutil.rmtree(folder / name, ignore_errors=True)
        self._train = tf.summary.create_file_writer(str(folder / "train"))
        self._test = tf.summary.create_file_writer(str(folder / "test"))

    def train(
        self,
        step: int,
        values: Mapping[str, float],
        metrics: Sequence[Metric],
        *,
        task: str = "",
    ) -> None:
        """Write the metrics of a training batch.

        Args:
            step: Updates done.
            values: Values of the metrics, by name.
            metrics: The metrics.
            task: Precedes their tags in a multi-task training.
        """
        self._write(self._train, step, _scalars(values, metrics, task))

    def test(
        self,
        step: int,
        values: Mapping[str, float],
        metrics: Sequence[Metric],
        *,
        task: str = "",
    ) -> None:
        """Write those of the validation data."""
        self._write(self._test, step, _scalars(values, metrics, task))

    def weights(self, step: int, arrays: Mapping[str, np.ndarray]) -> None:
        """Histograms of the weights, under their names; all so far is on the disk then."""
        summary = tf.compat.v1.Summary(
            value=[
                tf.compat.v1.Summary.Value(tag=name, histo=_histogram(array))
                for name, array in arrays.items()
            ]
        )
        self._write(self._train, step, summary)
        self._train.flush()
        self._test.flush()

    def close(self) -> None:
        self._train.close()
        self._test.close()

    @staticmethod
    def _write(writer: tf.summary.SummaryWriter, step: int, summary: tf.compat.v1.Summary) -> None:
        with writer.as_default():
            tf.summary.experimental.write_raw_pb(summary.SerializeToString(), step=step)


def _scalars(
    values: Mapping[str, float], metrics: Sequence[Metric], task: str
) -> tf.compat.v1.Summary:
    prefix = f"{task}/" if task else ""
    scalars = [
        tf.compat.v1.Summary.Value(tag=prefix + metric.tag, simple_value=float(values[metric.name]))
        for metric in (TOTAL, *metrics)
    ]
    return tf.compat.v1.Summary(value=scalars)


def _histogram(array: np.ndarray) -> tf.compat.v1.HistogramProto:
    values = np.asarray(array, np.float64).ravel()
    counts, edges = np.histogram(values, bins=_BINS)
    return tf.compat.v1.HistogramProto(
        min=values.min(),
        max=values.max(),
        num=values.size,
        sum=values.sum(),
        sum_squares=np.square(values).sum(),
        bucket_limit=edges[1:],
        bucket=counts,
    )
