"""How much each weight matters for frames that a model knows: the diagonal of its Fisher matrix."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deepattn.data import DataSet
from deepattn.errors import ConfigError
from deepattn.losses import Loss
from deepattn.models import AtomicModel
from deepattn.progress import tracked
from deepattn.train.batches import signature
from deepattn.train.distributed.strategy import Distribution
from deepattn.train.seeds import derive_seed

log = logging.getLogger(__name__)

# Labels that a model predicts itself, with the names of its outputs.
_PREDICTED = {
    "energy": "energy",
    "force": "force",
    "virial": "virial",
    "atom_ener": "atom_energy",
}
# Of a prediction, in the units of the label: the loss is looked at this near to its minimum.
_OFFSET = 1e-4
_TOLERANCE = 0.02


class Fisher:
    r"""Diagonals of the Fisher matrix at both ends of the learning rate.

    A squared loss is a negative log likelihood of normally distributed labels, whose Fisher
    information by the weights w is, with the predictions :math:`y_k` of a frame x and the
    second derivatives :math:`c_k` of its loss by them,

    .. math:: F_i = \Bigl\langle \sum_k c_k
              \Bigl(\frac{\partial y_k}{\partial w_i}\Bigr)^2 \Bigr\rangle_x
              = \Bigl\langle \Bigl(\sum_k \epsilon_k \sqrt{c_k}
              \frac{\partial y_k}{\partial w_i}\Bigr)^2 \Bigr\rangle_{x, \epsilon}.

    No label enters. It is estimated with one draw of random signs :math:`\epsilon` for each frame
    (Kirkpatrick *et al.*, arXiv:1612.00796; on the difference from gradients of true labels
    Kunstner *et al.*, arXiv:1905.12558). As the prefactors of the loss, it is linear in the
    learning rate.

    Attributes:
        start: F at the learning rate where the prefactors are those of the start, by weight.
        limit: F at a learning rate of zero.
    """

    def __init__(self, start: Mapping[str, np.ndarray], limit: Mapping[str, np.ndarray]) -> None:
        self.start = dict(start)
        self.limit = dict(limit)

    def arrays(self) -> dict[str, np.ndarray]:
        """The diagonals by name, for a checkpoint."""
        parts = {"start": self.start, "limit": self.limit}
        return {
            f"{part}/{n}": array for part, arrays in parts.items() for n, array in arrays.items()
        }

    def from_chief(self, distribution: Distribution) -> Fisher:
        """Those of the chief, on every worker."""
        constants = {
            part: {name: keras.Variable(array) for name, array in arrays.items()}
            for part, arrays in (("start", self.start), ("limit", self.limit))
        }
        distribution.copy_from_chief([c for part in constants.values() for c in part.values()])
        return Fisher(
            **{k: {n: c.numpy() for n, c in part.items()} for k, part in constants.items()}
        )

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, np.ndarray], names: Sequence[str]) -> Fisher | None:
        """What `arrays` gave; None if a weight is missing."""
        if not all(f"{part}/{name}" in arrays for part in ("start", "limit") for name in names):
            return None
        start, limit = ({n: arrays[f"{part}/{n}"] for n in names} for part in ("start", "limit"))
        return cls(start, limit)


def estimate_fisher(
    model: AtomicModel,
    loss: Loss,
    data: DataSet,
    variables: Mapping[str, keras.Variable],
    *,
    frames: int,
    seed: int,
    distribution: Distribution | None = None,
) -> Fisher:
    """Estimate the diagonals on frames of a data set.

    Args:
        model: The model at the start of the training.
        loss: The loss of the training.
        data: The frames, one a batch.
        variables: Trained weights by name.
        frames: Most frames to use; they are drawn at random.
        seed: Of the draw and of the signs.
        distribution: The devices that have the weights; by default those in whose scope this is.

    Raises:
        ConfigError: The loss is not a sum of squares of the errors of single predictions.
    """
    weights = list(variables.values())
    squares = _Squares(model, loss, weights)
    strategy = (distribution or Distribution()).strategy

    def of_first_replica(batch: Any, draw: tf.Tensor) -> Any:
        # Weights on several devices have derivatives only there; all find the same.
        return strategy.experimental_local_results(strategy.run(squares, (batch, draw)))[0]

    spec = [signature(data), tf.TensorSpec([2], tf.int32)]
    step = tf.function(of_first_replica, input_signature=spec, autograph=False)
    chosen = _drawn(data, frames, seed)
    base = derive_seed(seed, "signs") % 2**30
    sums = [[np.zeros(weight.shape) for weight in weights] for _ in squares.rates]
    for number, (index, row) in tracked(list(enumerate(chosen)), "importance of the weights"):
        batch = data.batch([(index, np.array([row]))])
        found, costs = step(batch, np.array([base, number], np.int32))
        if not number:
            _check_squares([cost.numpy() for cost in costs])
        for total, parts in zip(sums, found, strict=True):
            for place, part in enumerate(parts):
                total[place] += part.numpy()
    log.info("importance of the weights: from %d frames", len(chosen))
    start, limit = (
        {
            name: (total / len(chosen)).astype(weight.dtype)
            for (name, weight), total in zip(variables.items(), totals, strict=True)
        }
        for totals in sums
    )
    return Fisher(start, limit)


class _Squares:
    """Squared derivatives of a frame, for one draw of signs.

    Args:
        model: The model.
        loss: The loss.
        weights: Weights of the model.
    """

    def __init__(self, model: AtomicModel, loss: Loss, weights: Sequence[keras.Variable]) -> None:
        self.rates = (loss.start_lr, 0.0)
        self._model = model
        self._loss = loss
        self._weights = weights

    def __call__(
        self, batch: Any, seed: tf.Tensor
    ) -> tuple[list[list[tf.Tensor]], list[tf.Tensor]]:
        """Squares by rate and weight, and the second derivatives of the loss, found twice."""
        inputs, labels = batch
        with tf.GradientTape(persistent=True) as tape:
            outputs = self._model(inputs, training=True, with_descriptor=False)
        names = [label for label in _PREDICTED if label in self._loss.label_names]
        every = tf.ones_like(labels["find_energy"])
        # The virial of a molecule has no meaning.
        periodic = tf.reduce_any(tf.not_equal(inputs["box"], 0), axis=1)
        known = {"energy": every, "force": every, "virial": tf.cast(periodic, tf.float64)}
        labels = {**labels, **{f"find_{name}": known[name] for name in names if name in known}}
        predicted = {name: tf.cast(outputs[_PREDICTED[name]], tf.float64) for name in names}
        signs = [self._signs(predicted, seed, draw) for draw in (0, 1)]
        squares, costs = [], []
        for rate in self.rates:
            slopes = self._slopes(outputs, labels, predicted, signs[0], _OFFSET, rate)
            others = self._slopes(outputs, labels, predicted, signs[1], 2 * _OFFSET, rate)
            cost = {name: tf.abs(slope) / _OFFSET for name, slope in slopes.items()}
            again = {name: tf.abs(slope) / (2 * _OFFSET) for name, slope in others.items()}
            pulls = {name: signs[0][name] * tf.sqrt(cost[name]) for name in names}
            gradients = tape.gradient(
                [outputs[_PREDICTED[name]] for name in names],
                self._weights,
                output_gradients=[
                    tf.cast(pulls[name], outputs[_PREDICTED[name]].dtype) for name in names
                ],
                unconnected_gradients=tf.UnconnectedGradients.ZERO,
            )
            squares.append([tf.square(tf.convert_to_tensor(g)) for g in gradients])
            flat = [tf.concat([tf.reshape(c[n], [-1]) for n in names], 0) for c in (cost, again)]
            costs.append(tf.stack(flat))
        return squares, costs

    @staticmethod
    def _signs(
        predicted: Mapping[str, tf.Tensor], seed: tf.Tensor, draw: int
    ) -> dict[str, tf.Tensor]:
        """Random signs of the shapes of the predictions."""
        signs = {}
        for place, (name, value) in enumerate(predicted.items()):
            own = tf.stack([seed[0] + 2 * place + draw, seed[1]])
            bits = tf.random.stateless_uniform(tf.shape(value), own, 0, 2, tf.int32)
            signs[name] = tf.cast(2 * bits - 1, tf.float64)
        return signs

    def _slopes(
        self,
        outputs: Mapping[str, tf.Tensor],
        labels: Mapping[str, tf.Tensor],
        predicted: Mapping[str, tf.Tensor],
        signs: Mapping[str, tf.Tensor],
        offset: float,
        rate: float,
    ) -> dict[str, tf.Tensor]:
        """Derivatives of the loss by the predictions where these are off by a little."""
        shifted = {name: value - offset * signs[name] for name, value in predicted.items()}
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            leaves = {name: tf.stop_gradient(value) for name, value in predicted.items()}
            tape.watch(leaves)
            own = {_PREDICTED[name]: leaf for name, leaf in leaves.items()}
            value, _ = self._loss({**labels, **shifted}, {**outputs, **own}, rate)
        zero = tf.UnconnectedGradients.ZERO
        return tape.gradient(value, leaves, unconnected_gradients=zero)


def _drawn(data: DataSet, count: int, seed: int) -> list[tuple[int, int]]:
    """Systems and frames of these, every frame equally probable, none twice."""
    frames = [(index, int(row)) for index, rows in enumerate(data.frame_lists) for row in rows]
    order = np.random.default_rng(derive_seed(seed, "frames")).permutation(len(frames))
    return [frames[place] for place in order[:count]]


def _check_squares(costs: Sequence[np.ndarray]) -> None:
    """Refuse a loss whose second derivatives depend on where, and on which other errors there are.

    Args:
        costs: For each rate the derivatives ``[2, n]``, found with different errors.

    Raises:
        ConfigError: They differ, or all are zero.
    """
    for first, second in costs:
        scale = np.abs(first).max()
        if not np.allclose(first, second, rtol=_TOLERANCE, atol=1e-6 * scale):
            raise ConfigError(
                "training/finetune/ewc needs a loss of squared errors, each of one prediction, but "
                "this loss is another; change the section loss, or use l2_sp."
            )
