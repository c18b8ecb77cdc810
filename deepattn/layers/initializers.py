"""Initial weights: normal distributions drawn by TensorFlow's own generator from a given seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import keras
import numpy as np
import tensorflow as tf

# TensorFlow combines an operation's seed with this one where no graph seed is set.
_GRAPH_SEED = 87654321
_DRAWS = ContextVar("_DRAWS", default=True)


@contextmanager
def without_drawing() -> Iterator[None]:
    """A block in which initial weights are zeros, as they will be replaced by those of a file.

    Drawing them takes most of the time of building a model.
    """
    token = _DRAWS.set(False)
    try:
        yield
    finally:
        _DRAWS.reset(token)


@keras.saving.register_keras_serializable(package="deepattn")
class SeededNormal(keras.initializers.Initializer):
    """Normal distribution, the same numbers for the same seed in every process.

    DeePMD-kit starts its networks from the same stream, so equal seeds in an input file give
    equal initial weights.

    Args:
        mean: Mean of the distribution.
        stddev: Its standard deviation; ``None`` for ``1/sqrt(n_in + n_out)`` of a matrix.
        seed: Integer seed; ``None`` draws one, so the numbers differ from run to run.
    """

    def __init__(self, mean: float = 0.0, stddev: float | None = None, seed: int | None = None):
        self.mean = mean
        self.stddev = stddev
        self.seed = seed

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> np.ndarray:
        dtype = keras.backend.standardize_dtype(dtype)
        if not _DRAWS.get():
            return np.zeros(shape, tf.as_dtype(dtype).as_numpy_dtype)
        stddev = 1.0 / np.sqrt(sum(shape)) if self.stddev is None else self.stddev
        seed = (
            int(np.random.SeedSequence().generate_state(1)[0]) if self.seed is None else self.seed
        )
        # A fresh session: the stream of a stateful kernel starts anew in each. It has this node
        # alone, for a model has dozens of weights, and TensorFlow optimizes larger graphs.
        with tf.Graph().as_default(), tf.device("CPU:0"):
            stream = tf.raw_ops.RandomStandardNormal(
                shape=list(shape), dtype=dtype, seed=_GRAPH_SEED, seed2=seed
            )
            with tf.compat.v1.Session() as session:
                draw = session.run(stream)
        return draw * np.asarray(stddev, dtype) + np.asarray(self.mean, dtype)

    def get_config(self) -> dict:
        return {"mean": self.mean, "stddev": self.stddev, "seed": self.seed}
