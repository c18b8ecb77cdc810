"""Interface of a training to its optimizer, and its implementation for any Keras optimizer."""

from __future__ import annotations

import deepattn.keras_backend  # noqa: F401

# isort: split
import re
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deepattn.config import OptimizerConfig
from deepattn.registry import resolve


class Optimizer(keras.optimizers.Optimizer):
    """A Keras optimizer whose state has names, and whose gradients are sums over all replicas."""

    _slot_names: dict[int, tuple[int, str]]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # Of a variable that belongs to a weight the latter, by identity, and what it is. TensorFlow
        # would take an attribute that is set as usual for a part of what it saves.
        object.__setattr__(self, "_slot_names", {})

    def build(self, variables: list[keras.Variable], groups: Sequence[int] | None = None) -> None:
        """Make the state.

        Args:
            variables: All weights that are trained.
            groups: Number of a group for each, from 0 without gaps: weights that are always moved
                together, as those of one task are. None for one group. An optimizer that counts
                its steps may count those of each group by themselves.
        """
        super().build(variables)

    def add_variable_from_reference(
        self, reference_variable: keras.Variable, name: str | None = None, **kwargs: Any
    ) -> keras.Variable:
        variable = super().add_variable_from_reference(reference_variable, name=name, **kwargs)
        self._slot_names[id(variable)] = self._var_key(reference_variable), name or "var"
        return variable

    def get_arrays(self, names: Mapping[str, keras.Variable]) -> dict[str, np.ndarray]:
        """The optimizer's state by name.

        Args:
            names: The model's ``named_variables()``.

        Returns:
            ``iteration`` and what else the optimizer has for all weights, under its name, with
            ``_1``, ``_2`` … if there are several of a name; and for each trained weight ``w``
            what the optimizer has for it, such as ``w/momentum``.
        """
        return {name: variable.numpy() for name, variable in self._state(names).items()}

    def set_arrays(
        self, names: Mapping[str, keras.Variable], arrays: Mapping[str, np.ndarray]
    ) -> None:
        """Set the state from what `get_arrays` gave.

        Raises:
            KeyError: A value is missing from ``arrays``.
        """
        for name, variable in self._state(names).items():
            variable.assign(arrays[name])

    @property
    def indispensable(self) -> list[str]:
        """Names of the state, not of single weights, without which a training cannot be resumed."""
        return list(dict.fromkeys(_name(variable) for variable in self._of_no_weight()))

    def _of_no_weight(self) -> list[keras.Variable]:
        return [
            variable
            for variable in self.variables
            if id(variable) not in self._slot_names and variable is not self._learning_rate
        ]

    def _state(self, names: Mapping[str, keras.Variable]) -> dict[str, keras.Variable]:
        state: dict[str, keras.Variable] = {}
        seen: dict[str, int] = {}
        for variable in self._of_no_weight():
            name = _name(variable)
            number = seen[name] = seen.get(name, -1) + 1
            state[f"{name}_{number}" if number else name] = variable
        weights = {self._var_key(variable): name for name, variable in names.items()}
        for variable in self.variables:
            weight, slot = self._slot_names.get(id(variable), (None, ""))
            if weight in weights:
                state[f"{weights[weight]}/{slot}"] = variable
        return state

    def _filter_empty_gradients(
        self, grads: list[Any], vars: list[keras.Variable]
    ) -> tuple[list[Any], list[keras.Variable]]:
        """Leave out weights that the loss does not depend on, which stay as they are.

        Keras warns of them, but a loss of forces alone has some: the biases of the outputs.
        """
        kept = [pair for pair in zip(grads, vars, strict=True) if pair[0] is not None]
        if not kept:
            return super()._filter_empty_gradients(grads, vars)
        return [grad for grad, _ in kept], [variable for _, variable in kept]

    def _clip_gradients(self, grads: list[Any]) -> list[Any]:
        """Clip by the norm of the sum over all replicas, of which these are the parts.

        Keras does it where there is one replica, but not for weights of several precisions.
        """
        one_dtype = len({grad.dtype for grad in grads if grad is not None}) <= 1
        spread = _on_a_replica_of_many()
        if not self.global_clipnorm or (one_dtype and not spread):
            return super()._clip_gradients(grads)
        parts = add_up(grads) if spread else grads
        sums = [tf.cast(grad, tf.float64) for grad in parts if grad is not None]
        norm = tf.maximum(tf.linalg.global_norm(sums), self.global_clipnorm)
        factor = self.global_clipnorm / norm
        return [grad if grad is None else grad * tf.cast(factor, grad.dtype) for grad in grads]

    def _all_reduce_sum_gradients(self, grads_and_vars: list[tuple]) -> list[tuple]:
        if not _on_a_replica_of_many():
            return super()._all_reduce_sum_gradients(grads_and_vars)
        grads, variables = zip(*grads_and_vars, strict=True)
        return list(zip(add_up(grads), variables, strict=True))


def make_optimizer(
    config: OptimizerConfig,
    learning_rate: float | keras.optimizers.schedules.LearningRateSchedule,
    *,
    common: bool = False,
    global_clipnorm: float | None = None,
    accumulated: int = 1,
) -> Optimizer:
    """Build the optimizer of an ``optimizer`` section.

    Args:
        config: The section.
        learning_rate: A number or a schedule.
        common: Whether the model has the convention of DeePMD-kit's other backends, whose
            arithmetic some optimizers then have.
        global_clipnorm: Norm that the gradient of all weights together is scaled down to.
        accumulated: Number of gradients whose mean makes one update.
    """
    kind = adapted(resolve(config.implementation_for(common=common)))
    return kind(
        learning_rate=learning_rate,
        global_clipnorm=global_clipnorm,
        **({"gradient_accumulation_steps": accumulated} if accumulated > 1 else {}),
        **config.keras_arguments(),
    )


def adapted(kind: type[keras.optimizers.Optimizer]) -> type[Optimizer]:
    """A class of Keras optimizers as `Optimizer`, of the same name and arithmetic."""
    if issubclass(kind, Optimizer):
        return kind
    return type(kind.__name__, (Optimizer, kind), {"__doc__": kind.__doc__})


def add_up(tensors: Sequence[tf.Tensor | None]) -> list[tf.Tensor | None]:
    """Sums over all replicas, in a step that runs on each; None stays."""
    sums = list(tensors)
    context = tf.distribute.get_replica_context()
    # TensorFlow joins small tensors into large ones, and fails if they are of several types.
    # All workers must go through the types in the same order.
    for dtype in dict.fromkeys(tensor.dtype for tensor in tensors if tensor is not None):
        places = [k for k, x in enumerate(tensors) if x is not None and x.dtype == dtype]
        reduced = context.all_reduce(tf.distribute.ReduceOp.SUM, [tensors[k] for k in places])
        for place, tensor in zip(places, reduced, strict=True):
            sums[place] = tensor
    return sums


def _name(variable: keras.Variable) -> str:
    """Its name, without the number that Keras gives to one that has none."""
    return "variable" if re.fullmatch(r"variable_[0-9]+", variable.name) else variable.name


def _on_a_replica_of_many() -> bool:
    context = tf.distribute.get_replica_context()
    return context is not None and context.num_replicas_in_sync > 1
