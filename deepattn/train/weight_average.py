"""The exponential moving average (EMA) of the trained weights."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import keras
import numpy as np
import tensorflow as tf

log = logging.getLogger(__name__)


class WeightAverage:
    """Averages the trained weights over the last steps (Polyak and Juditsky, 1992).

    After each step ``average <- decay * average + (1 - decay) * weight``, which looks back over
    about ``1 / (1 - decay)`` steps. The average starts at the initial weights.

    Args:
        variables: The trained weights by name, each once.
        decay: Share of the average that a step keeps.
        arrays: The averages of a run that is resumed, by name; weights without one start at their
            value.
    """

    def __init__(
        self,
        variables: Mapping[str, keras.Variable],
        decay: float,
        *,
        arrays: Mapping[str, np.ndarray],
    ) -> None:
        self._variables = dict(variables)
        starts = {name: variable.numpy() for name, variable in variables.items()}
        known = {n: a for n, a in arrays.items() if n in starts and a.shape == starts[n].shape}
        if arrays and len(known) < len(starts):
            log.info("averages of %d weights start at their values", len(starts) - len(known))
        # One copy on each worker is enough: all compute the same.
        self._averages = {
            name: tf.Variable(known.get(name, start), dtype=start.dtype, trainable=False)
            for name, start in starts.items()
        }
        self._decay = decay
        self._update = tf.function(self._step, autograph=False)

    def update(self) -> None:
        """Take in the weights after a step."""
        self._update()

    def arrays(self) -> dict[str, np.ndarray]:
        """The averages by name."""
        return {name: average.numpy() for name, average in self._averages.items()}

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The models have the averages as weights for the time of the block."""
        weights = {name: variable.numpy() for name, variable in self._variables.items()}
        try:
            self._assign(self.arrays())
            yield
        finally:
            self._assign(weights)

    def _assign(self, arrays: Mapping[str, np.ndarray]) -> None:
        for name, variable in self._variables.items():
            variable.assign(arrays[name])

    def _step(self) -> None:
        for name, average in self._averages.items():
            weight = tf.convert_to_tensor(self._variables[name])
            share = 1.0 - self._decay
            # From the nearer end, as PyTorch interpolates.
            if share < 0.5:
                average.assign_add(share * (weight - average))
            else:
                average.assign(weight - (weight - average) * (1.0 - share))
