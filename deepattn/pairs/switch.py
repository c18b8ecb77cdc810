"""The switch of an atom from a network to a table, by the distance of its nearest neighbors."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf


class Switch(NamedTuple):
    """Parameters of the switch.

    Attributes:
        alpha: Length on which the weight of a neighbor in the soft minimum falls, Å.
        rmin: Soft minimum up to which the table alone counts, Å.
        rmax: Soft minimum from which the network alone counts, Å.
    """

    alpha: float
    rmin: float
    rmax: float

    def as_stored(self) -> Switch:
        """The parameters as DeePMD-kit's operations keep them, in single precision."""
        return Switch(*(float(np.float32(value)) for value in self))


def soft_minimum(distance: tf.Tensor, mask: tf.Tensor, alpha: float) -> tuple[tf.Tensor, tf.Tensor]:
    """A smooth function of distances near the smallest, Σ r e^(-r/α) / Σ e^(-r/α).

    Args:
        distance: ``[n, nnei]``, Å.
        mask: Which are those of neighbors.
        alpha: See `Switch`.

    Returns:
        The minimum ``[n]``, Å, infinite without neighbors, and its derivatives ``[n, nnei]``.
    """
    weight = tf.where(mask, tf.exp(-distance / alpha), tf.zeros_like(distance))
    total = tf.reduce_sum(weight, axis=1, keepdims=True)
    mean = tf.math.divide_no_nan(tf.reduce_sum(distance * weight, axis=1, keepdims=True), total)
    derivative = tf.math.divide_no_nan(weight, total) * (1 + (mean - distance) / alpha)
    endless = tf.constant(float("inf"), distance.dtype)
    return tf.where(total > 0, mean, endless)[:, 0], derivative


def switch_of_minimum(minimum: tf.Tensor, switch: Switch) -> tuple[tf.Tensor, tf.Tensor]:
    """The share of the table: 1 up to ``rmin``, 0 from ``rmax`` on, a quintic polynomial between.

    Args:
        minimum: Soft minimum of the distances, Å.
        switch: The parameters.

    Returns:
        The share, and its derivative by the minimum, 1/Å.
    """
    width = switch.rmax - switch.rmin
    u = tf.clip_by_value((minimum - switch.rmin) / width, 0, 1)
    share = 1 + u**3 * (-10 + u * (15 - 6 * u))
    return share, -30 * u**2 * (1 - u) ** 2 / width
