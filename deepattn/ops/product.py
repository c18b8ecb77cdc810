"""The product of two matrices: compiled where that is possible, else TensorFlow's."""

import tensorflow as tf

from deepattn.ops.loader import cpu_ops


def product(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """``a b``, on processors two to three times as fast as ``tf.matmul`` in float64.

    TensorFlow's own product is taken for other types than float64 (in float32 it is as fast), for
    more than two dimensions, and where there is a GPU. Derivatives of any order are compiled too.

    Args:
        a: ``[m, k]``.
        b: ``[k, n]``, of the type of ``a``.

    Returns:
        ``[m, n]``.
    """
    compiled = a.dtype == tf.float64 and a.shape.rank == b.shape.rank == 2
    ops = cpu_ops() if compiled else None
    return tf.matmul(a, b) if ops is None else ops.deepattn_product(a, b)
