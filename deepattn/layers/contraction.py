"""From an environment matrix R and an embedding G to the descriptor."""

from __future__ import annotations

import tensorflow as tf

from deepattn import ops


def normalized(contracted: tf.Tensor, original_sel: tf.Tensor) -> tf.Tensor:
    """``B = R^T G / N`` (arXiv:1805.09003, eq. 6).

    Args:
        contracted: ``R^T G``, ``[n, 4, M]``.
        original_sel: int32, neighbor numbers of the first training; N is their sum.
    """
    return contracted / tf.cast(tf.reduce_sum(original_sel), contracted.dtype)


def contract_axis(rows: tf.Tensor, axis_neuron: int) -> tf.Tensor:
    """Descriptor ``D = B^T B[:, :axis_neuron]``.

    Args:
        rows: B, ``[n, 4, M]``.
        axis_neuron: Columns of B in the second factor.

    Returns:
        ``[n, M * axis_neuron]``.
    """
    return ops.invariants(rows, axis_neuron)
