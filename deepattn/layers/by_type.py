"""Work on the atoms of one type at a time."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf


def by_type(
    atype: tf.Tensor,
    ntypes: int,
    function: Callable[[int, tf.Tensor], tf.Tensor],
    *,
    width: int,
) -> tf.Tensor:
    """Gather the atoms of each type, apply ``function``, and put the rows back in order.

    Args:
        atype: int32 ``[n]``; atoms with a type outside ``0 … ntypes - 1`` get rows of zeros.
        function: Called with a type and the indices ``[m]`` of its atoms, returns ``[m, width]``.
        width: Width of the result.

    Returns:
        ``[n, width]``.
    """
    indices = [tf.where(tf.equal(atype, t))[:, 0] for t in range(ntypes)]
    rows = [function(t, index) for t, index in enumerate(indices)]
    shape = tf.stack([tf.size(atype, out_type=tf.int64), tf.constant(width, tf.int64)])
    return tf.scatter_nd(tf.concat(indices, 0)[:, tf.newaxis], tf.concat(rows, 0), shape)
