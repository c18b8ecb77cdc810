"""Rotation invariants of rows of atoms."""

import tensorflow as tf


def invariants(rows: tf.Tensor, axis: int, *, axis_first: bool) -> tf.Tensor:
    """What `deepattn.ops.invariants` does, in any floating-point type."""
    first = rows[:, :, :axis]
    pair = (first, rows) if axis_first else (rows, first)
    return tf.reshape(tf.matmul(*pair, transpose_a=True), [-1, axis * rows.shape[2]])
