"""Requirements of an energy model on a loss, and on the data of a step."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf

from deepattn.errors import ConfigError

EnergyLoss = Callable[..., tuple[tf.Tensor, dict[str, tf.Tensor]]]
_CONTRACT = (
    "a loss is a function of (labels, outputs, learning_rate) that returns (loss, dictionary of "
    "metrics), such as deepattn.train.EnergyLoss"
)


def check_loss(loss: Any) -> None:
    """Check that an object is a loss of an energy model.

    Raises:
        ConfigError: It is of another kind.
    """
    if loss is None:
        return
    if not callable(loss):
        raise ConfigError(f"the loss {loss!r} is not a function; {_CONTRACT}.")
    if isinstance(loss, keras.losses.Loss):
        raise ConfigError(f"the loss is Keras' {type(loss).__name__}; {_CONTRACT}.")
    try:
        signature = inspect.signature(loss)
    except ValueError:  # of a function that is not written in Python
        return
    try:
        signature.bind("labels", "outputs", "learning_rate")
    except TypeError:
        raise ConfigError(f"the loss takes the arguments {signature}; {_CONTRACT}.") from None


def checked_result(result: Any) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Results of a loss.

    Raises:
        ConfigError: It is not a pair of a loss and metrics.
    """
    if not (isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], Mapping)):
        raise ConfigError(f"the loss returned a {type(result).__name__}; {_CONTRACT}.")
    return result


def unpack(data: Any) -> tuple[Mapping[str, tf.Tensor], Mapping[str, tf.Tensor]]:
    """Inputs and labels of what Keras hands to a step.

    Raises:
        ConfigError: There are weights of samples or classes.
    """
    inputs, labels, weights = keras.utils.unpack_x_y_sample_weight(data)
    if weights is not None:
        raise ConfigError(
            "sample and class weights are not supported; set find_… to 0 to leave out a "
            "label of a frame, or weight the forces of atoms with the label atom_pref."
        )
    return inputs, labels
