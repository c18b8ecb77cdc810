"""Activation functions under the names that DeePMD-kit input files use."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import tensorflow as tf

Activation = Callable[[tf.Tensor], tf.Tensor]


def gelu(x: tf.Tensor) -> tf.Tensor:
    """Tanh form of the Gaussian error linear unit (Hendrycks & Gimpel, arXiv:1606.08415).

    The constants are of the precision of ``x``, unlike those of ``gelu_tf``.
    """
    return 0.5 * x * (1.0 + tf.tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)))


def gelu_tf(x: tf.Tensor) -> tf.Tensor:
    """TensorFlow's approximate GELU; its cubic coefficient is a float32 number in any precision."""
    return tf.nn.gelu(x, approximate=True)


def silut(x: tf.Tensor, threshold: float) -> tf.Tensor:
    """SiLU up to ``threshold``, then a hyperbolic tangent that joins it with equal slope."""
    sigmoid = 1.0 / (1.0 + math.exp(-threshold))
    value = threshold * sigmoid
    slope = sigmoid + threshold * sigmoid * (1.0 - sigmoid)
    return tf.where(x < threshold, tf.nn.silu(x), tf.tanh(slope * (x - threshold)) + value)


_ACTIVATIONS: dict[str, Activation] = {
    "tanh": tf.tanh,
    "relu": tf.nn.relu,
    "relu6": tf.nn.relu6,
    "softplus": tf.nn.softplus,
    "sigmoid": tf.sigmoid,
    "gelu": gelu,
    "gelu_tf": gelu_tf,
    "silu": tf.nn.silu,
    "linear": tf.identity,
    "none": tf.identity,
}


def get_activation(name: str) -> Activation:
    """Return the activation called ``name``, in any case.

    Args:
        name: One of ``tanh relu relu6 softplus sigmoid gelu gelu_tf silu linear none``,
            or ``silut``, ``silut:threshold`` (threshold 3 by default).

    Raises:
        ValueError: The name is unknown.
    """
    key = str(name).lower()
    if key in _ACTIVATIONS:
        return _ACTIVATIONS[key]
    base, _, threshold = key.partition(":")
    if base == "silut":
        try:
            return functools.partial(silut, threshold=float(threshold) if threshold else 3.0)
        except ValueError:
            pass
    known = ", ".join([*_ACTIVATIONS, "silut[:threshold]"])
    raise ValueError(f"activation {name!r} is unknown; choose one of {known}")
