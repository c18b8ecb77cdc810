"""From environment matrix and pair embedding to a descriptor."""

from __future__ import annotations

import tensorflow as tf


def contract(
    matrix: tf.Tensor, embedding: tf.Tensor, original_sel: tf.Tensor, *, axis_neuron: int
) -> tf.Tensor:
    """Descriptor ``D = B^T B[:, :axis_neuron]``, ``B = R^T G / N`` (arXiv:1805.09003, eq. 6).

    Args:
        matrix: environment matrix R, ``[n, nnei, 4]``.
        embedding: pair embedding G, ``[n, nnei, M]``.
        original_sel: int32, neighbor numbers of the first training; N is their sum.
        axis_neuron: columns of ``B`` in the second factor.

    Returns:
        ``[n, M * axis_neuron]``.
    """
    contracted = tf.matmul(matrix, embedding, transpose_a=True)
    return square(contracted, original_sel, axis_neuron=axis_neuron)


def square(contracted: tf.Tensor, original_sel: tf.Tensor, *, axis_neuron: int) -> tf.Tensor:
    """The descriptor of `contract` from ``R^T G``, ``[n, 4, M]``."""
    slots = tf.cast(tf.reduce_sum(original_sel), contracted.dtype)
    contracted /= slots
    descriptor = tf.matmul(contracted, contracted[:, :, :axis_neuron], transpose_a=True)
    return tf.reshape(descriptor, [-1, contracted.shape[-1] * axis_neuron])
