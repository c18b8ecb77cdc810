"""Precisions that the environment and the input ask for."""

from __future__ import annotations

import os

import keras

from deepattn.config import Config, network_dtype
from deepattn.errors import ConfigError


def interface_dtype() -> str:
    """Precision of coordinates and forces, from the variable ``DP_INTERFACE_PREC``."""
    name = os.environ.get("DP_INTERFACE_PREC", "high").lower()
    if name not in ("high", "low"):
        raise ConfigError(f"DP_INTERFACE_PREC is {name!r}; set it to 'high' or 'low'.")
    return "float64" if name == "high" else "float32"


def refuse_half_precision() -> None:
    """Refuse a global dtype policy of Keras that the nets would not follow.

    Raises:
        ConfigError: It is one, such as ``mixed_bfloat16``.
    """
    policy = keras.config.dtype_policy()
    if policy.compute_dtype not in ("float32", "float64"):
        raise ConfigError(
            f"Keras' global dtype policy is {policy.name}, but the nets compute in the "
            "precision of the input, float32 or float64, because half precision is too "
            "coarse for forces; before training call "
            'keras.config.set_dtype_policy("float32"), Keras\' own'
        )


def check_mixed_precision(config: Config) -> None:
    """Refuse ``mixed_precision`` for nets of another precision than float32.

    Args:
        config: Configuration of a task.

    Raises:
        ConfigError: A net is of float64.
    """
    if config.training.mixed_precision is None:
        return
    for name in ("descriptor", "fitting_net"):
        precision = getattr(config.model, name).precision
        if network_dtype(precision, interface_dtype()) != "float32":
            raise ConfigError(
                f"training/mixed_precision is for nets of float32, but model/{name}/precision is "
                f"{precision!r}; set it to float32."
            )
