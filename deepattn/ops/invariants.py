"""Rotation invariants: compiled where possible, else in plain TensorFlow."""

import tensorflow as tf

from deepattn.ops import reference
from deepattn.ops.loader import cpu_ops


def invariants(rows: tf.Tensor, axis: int, *, axis_first: bool = False) -> tf.Tensor:
    """``B^T B[:, :axis]`` of the rows B of each atom, which turn with the frame.

    On processors the many small products are one operation, and so are those of its derivatives,
    of any order.

    Reference: L. Zhang et al., NeurIPS 31 (2018), arXiv:1805.09003, eq. 6.

    Args:
        rows: B, T ``[n, columns, width]``; the compiled op is for float32 and float64.
        axis: Columns of B in the second factor, at most ``width``.
        axis_first: Whether the index of these is the slower one; else the faster.

    Returns:
        T ``[n, width * axis]``.

    Raises:
        tf.errors.InvalidArgumentError: ``axis`` is larger than ``width`` (from the compiled op).
    """
    ops = cpu_ops() if rows.dtype in (tf.float32, tf.float64) else None
    if ops is None:
        return reference.invariants(rows, axis, axis_first=axis_first)
    return ops.deepattn_invariants(rows, axis=axis, axis_first=axis_first)
