"""Updates of low rank in place of a training of whole matrices (LoRA)."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deepattn.config.finetune import LoraConfig
from deepattn.errors import ConfigError, ModelFileError
from deepattn.optimizers import Optimizer
from deepattn.train.distributed.strategy import Distribution
from deepattn.train.initialize.freeze import set_aside
from deepattn.train.initialize.patterns import new_weights, shortened, trained_weights, weights_of
from deepattn.train.seeds import derive_seed
from deepattn.train.task import Task
from deepattn.train.weight_source import WeightSource

log = logging.getLogger(__name__)

_KEY = "training/finetune/lora"
# Parts of a matrix in a checkpoint.
_PARTS = ("first", "a", "b")


@dataclass(frozen=True)
class _Matrix:
    """A matrix W = W₀ + s A B of a model.

    Attributes:
        weight: W ``[n, m]``.
        first: W₀.
        a: ``[n, r]``.
        b: ``[r, m]``.
    """

    weight: keras.Variable
    first: keras.Variable
    a: keras.Variable
    b: keras.Variable


class LowRank:
    r"""LoRA (Hu *et al.*, arXiv:2106.09685): only factors A and B of chosen matrices are trained.

    .. math:: W = W_0 + s A B, \qquad
              \frac{\partial L}{\partial A} = s \frac{\partial L}{\partial W} B^T, \quad
              \frac{\partial L}{\partial B} = s A^T \frac{\partial L}{\partial W}

    A is drawn from a normal distribution of variance 1/n, and B is zero at first, so that the model
    is unchanged. After every step the product is folded into W. The model thus never knows of the
    factors, and whatever is written of it has plain weights.

    Args:
        matrices: The matrices, by the names of their weights.
        scale: s.
    """

    def __init__(self, matrices: Mapping[str, _Matrix], scale: float) -> None:
        self._matrices = dict(matrices)
        self._by_weight = {id(matrix.weight): matrix for matrix in matrices.values()}
        self._scale = scale

    def factors(self) -> dict[str, keras.Variable]:
        """The trained factors by name."""
        return {
            f"{name}/{part}": getattr(matrix, part)
            for name, matrix in self._matrices.items()
            for part in ("a", "b")
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """The factors and the matrices at the start, by name, for a checkpoint."""
        return {
            f"{name}/{part}": getattr(matrix, part).numpy()
            for name, matrix in self._matrices.items()
            for part in _PARTS
        }

    def replace(
        self, weights: Sequence[keras.Variable], groups: Sequence[int]
    ) -> tuple[list[keras.Variable], list[int]]:
        """Trained weights with factors in the place of matrices.

        Args:
            weights: Trained weights.
            groups: A number for each.

        Returns:
            What the optimizer moves, and the number of each.
        """
        moved = [(part, g) for w, g in zip(weights, groups, strict=True) for part in self._of(w)]
        return [part for part, _ in moved], [group for _, group in moved]

    def apply(
        self, optimizer: Optimizer, gradients: Sequence[Any], weights: Sequence[keras.Variable]
    ) -> None:
        """Make a step of the factors, and fold them into the matrices.

        Args:
            optimizer: Built on the weights of `replace`.
            gradients: Of the loss by the weights; None for one that it does not depend on.
            weights: Trained weights of a model.
        """
        moved: list[keras.Variable] = []
        slopes: list[Any] = []
        folded: list[_Matrix] = []
        for gradient, weight in zip(gradients, weights, strict=True):
            matrix = self._by_weight.get(id(weight))
            moved += self._of(weight)
            if matrix is None:
                slopes.append(gradient)
            elif gradient is None:
                slopes += [None, None]
            else:
                slope = self._scale * tf.convert_to_tensor(gradient)
                slopes.append(tf.matmul(slope, matrix.b, transpose_b=True))
                slopes.append(tf.matmul(matrix.a, slope, transpose_a=True))
                folded.append(matrix)
        optimizer.apply(slopes, moved)
        # Weights on several devices can be set only where these meet.
        tf.distribute.get_replica_context().merge_call(partial(self._fold, folded))

    def _fold(self, matrices: Sequence[_Matrix], strategy: tf.distribute.Strategy) -> None:
        for matrix in matrices:
            parts = (matrix.first.value, matrix.a.value, matrix.b.value)
            strategy.extended.update(matrix.weight.value, self._set, args=parts, group=True)

    def _set(self, weight: tf.Variable, first: Any, a: Any, b: Any) -> tf.Operation:
        return weight.assign(first + self._scale * tf.matmul(a, b))

    def _of(self, weight: keras.Variable) -> list[keras.Variable]:
        matrix = self._by_weight.get(id(weight))
        return [weight] if matrix is None else [matrix.a, matrix.b]


def build_low_rank(tasks: Sequence[Task], distribution: Distribution) -> LowRank | None:
    """The updates of low rank, which the steps of all models then make; all else is not trained.

    Weights of a new fitting net are trained as usual.

    Args:
        tasks: The tasks, whose models have their weights.
        distribution: The devices that have the weights.

    Raises:
        ConfigError: A pattern matches no matrix, or the rank is too large for one.
        ModelFileError: A checkpoint to be resumed has updates of other settings.
    """
    training, start = tasks[0].config.training, tasks[0].start
    if training.finetune is None or training.finetune.lora is None:
        return None
    section = training.finetune.lora
    chosen = weights_of(
        tasks, section.matrices, key=f"{_KEY}/matrices", noun="matrix", among=_is_matrix
    )
    # What tasks share has several names.
    distinct = {id(variable): name for name, variable in reversed(chosen.items())}
    matrices = {name: v for name, v in chosen.items() if distinct[id(v)] == name}
    _check_rank(matrices, section.rank)
    kept = {number for task in tasks for number in new_weights(task)} | set(distinct)
    others = {n: v for n, v in trained_weights(tasks).items() if id(v) not in kept}
    if others:
        set_aside(others)
    stored = _stored(section, start)
    seed = training.seed or 0
    with distribution.scope():
        parts = {
            name: _make(variable, section.rank, derive_seed(seed, f"lora/{name}"), name, stored)
            for name, variable in matrices.items()
        }
    size = sum(section.rank * sum(variable.shape) for variable in matrices.values())
    log.info(
        "updates of rank %d: %s, %s parameters",
        section.rank,
        shortened(list(matrices)),
        f"{size:,}",
    )
    low_rank = LowRank(parts, section.scale)
    for task in tasks:
        task.model.low_rank = low_rank
    return low_rank


def _is_matrix(variable: keras.Variable) -> bool:
    return len(variable.shape) == 2 and min(variable.shape) > 1


def _check_rank(matrices: Mapping[str, keras.Variable], rank: int) -> None:
    for name, variable in matrices.items():
        if rank > min(variable.shape):
            rows, columns = variable.shape
            raise ConfigError(
                f"{_KEY}/rank is {rank}, more than {name} of {rows} rows and {columns} columns "
                f"can have; set it to at most {min(variable.shape)}, or leave the matrix out."
            )


def _stored(section: LoraConfig, start: WeightSource) -> Mapping[str, np.ndarray]:
    """Arrays of the updates in a checkpoint that is resumed; empty if there are none.

    Raises:
        ModelFileError: They have other settings, with which they are another update.
    """
    if start.mode != "restart" or not start.low_rank:
        return {}
    training = start.header["config"]["training"]
    before = LoraConfig.from_dict(training["finetune"]["lora"])
    if before != section:
        raise ModelFileError(
            f"{start.path}: was trained with another {_KEY}; use the same, or start a new training "
            "with --init-model."
        )
    return start.low_rank


def _make(
    weight: keras.Variable, rank: int, seed: int, name: str, stored: Mapping[str, np.ndarray]
) -> _Matrix:
    """The matrix of a weight, new or as in a checkpoint."""
    rows, columns = weight.shape
    normal = np.random.default_rng(seed).normal(scale=1 / math.sqrt(rows), size=(rows, rank))
    fresh = {"first": weight.numpy(), "a": normal, "b": np.zeros((rank, columns))}
    arrays = {part: stored.get(f"{name}/{part}", fresh[part]) for part in _PARTS}
    variables = {
        part: keras.Variable(
            array.astype(weight.dtype),
            dtype=weight.dtype,
            trainable=part != "first",
            name=f"lora_{part}",
        )
        for part, array in arrays.items()
    }
    return _Matrix(weight, **variables)
