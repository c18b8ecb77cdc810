"""Switches from 1 to 0 towards the cutoff: of the environment matrix, of weights of neighbors."""

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

_vectors_move = contextvars.ContextVar("vectors_move", default=False)


@contextlib.contextmanager
def moving_vectors() -> Iterator[None]:
    """Inside, switches follow vectors that are differentiated by, to any order."""
    token = _vectors_move.set(True)
    try:
        yield
    finally:
        _vectors_move.reset(token)


def quintic_switch(u: Any) -> tuple[Any, Any]:
    """The switch of DeepPot-SE, ``1 - 10 u³ + 15 u⁴ - 6 u⁵``, and its slope.

    Every step rounds as in the compiled ops. Reference: L. Zhang et al., arXiv:1805.09003.

    Args:
        u: how far the switching has come, between 0 and 1: a number, an array or a tensor.

    Returns:
        The switch, and its derivative with respect to ``u``.
    """
    quadratic = -6.0 * u * u + 15.0 * u - 10.0
    value = u * u * u * quadratic + 1.0
    return value, 3.0 * u * u * quadratic + u * u * u * (-12.0 * u + 15.0)


def switch_of_inverse(inverse: tf.Tensor, *, rcut_smth: Any) -> tf.Tensor:
    """``1 - (1 - rcut_smth s)^3`` between 0 and 1, of the switched inverse distance ``s`` (1/Å).

    It is what DeePMD-kit's TensorFlow backend has.
    """
    distance = 1.0 - rcut_smth * inverse
    return tf.clip_by_value(1.0 - distance * distance * distance, 0.0, 1.0)


def switch_of_distance(
    inverse: tf.Tensor, rij: tf.Tensor, *, rcut: Any, rcut_smth: Any, follow: bool = False
) -> tf.Tensor:
    """The quintic switch ``w(r)`` of the environment matrix itself.

    Reference: L. Zhang et al., NeurIPS 31 (2018), arXiv:1805.09003.

    Forces follow from derivatives by the environment matrix, whose radial entry is
    ``s = w(r) / r``. So the result is a function of ``s``: its derivative is ``w'(r) / s'(r)``.
    Derivatives of higher order by ``s`` are zero. Within `moving_vectors` the result is a function
    of the vectors instead, with all derivatives.

    Args:
        inverse: ``s``, 1/Å, ``[...]``.
        rij: Vectors to the neighbors, Å, ``[..., 3]``.
        rcut: Cutoff radius, Å, a number or a tensor.
        rcut_smth: Where the switching begins, Å, likewise.
        follow: Whether the vectors are differentiated by, as within `moving_vectors`.

    Returns:
        ``[...]``; a neighbor at distance 0 (padding) has 1.
    """
    if follow or _vectors_move.get():
        squared = tf.reduce_sum(tf.square(rij), axis=-1)
        # The root has no derivative at zero, where padding is.
        distance = tf.where(squared > 0, tf.sqrt(tf.where(squared > 0, squared, 1.0)), 0.0)
        weight, _ = quintic_switch(
            tf.clip_by_value((distance - rcut_smth) / (rcut - rcut_smth), 0.0, 1.0)
        )
        return weight
    distance = tf.stop_gradient(tf.norm(rij, axis=-1))
    u = tf.clip_by_value((distance - rcut_smth) / (rcut - rcut_smth), 0.0, 1.0)
    weight, _ = quintic_switch(u)
    # As a product it is exact near the cutoff too.
    slope = -30.0 * tf.square(u * (1.0 - u)) / (rcut - rcut_smth)
    # Of s' = (w' r - w) / r^2; beyond the cutoff s does not change.
    slope_of_inverse = slope * distance - weight
    factor = tf.math.divide_no_nan(slope * tf.square(distance), slope_of_inverse)
    return weight + factor * (inverse - tf.stop_gradient(inverse))
