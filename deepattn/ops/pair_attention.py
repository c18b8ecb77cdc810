"""Attention between the neighbors of an atom: compiled where possible, else in plain TensorFlow."""

import tensorflow as tf

from deepattn.ops import reference
from deepattn.ops.loader import cpu_ops


def pair_attention(
    features: tf.Tensor,
    vectors: tf.Tensor,
    weight: tf.Tensor,
    score_matrix: tf.Tensor,
    message_matrix: tf.Tensor,
    *,
    padding: tf.Tensor | int = 0,
    gate: bool,
    smooth: bool,
) -> tf.Tensor:
    """Each neighbor attends to the others (arXiv:2312.15492, "gated self-attention").

    With features ``x`` in the rows of a neighborhood, vectors ``h`` and weights ``c``, the sum
    over heads of ``softmax(L) c c' d (x M)``, where ``d = h·h'``, ``S = (x Q) x^T`` (times ``d``
    with ``gate``) and ``L = (S + 20) c c' − 20``, or without ``smooth`` S among neighbors.

    The compiled op, for machines without GPUs, keeps all matrices between pairs of neighbors in the
    cache of a processor core, and has first and second derivatives that do the same; derivatives of
    higher order, and second ones by two parameters, are those of the reference implementation.

    Args:
        features: T ``[n, nnei, width]``; the compiled op is for float32 and float64.
        vectors: T ``[n, nnei, 3]``.
        weight: T ``[n, nnei]``, 0 for padding; without ``smooth`` a mask, which has no derivatives.
            Slots behind the last one that has weight get gradients of 0 from the compiled op.
        score_matrix: T ``[heads, width, width]``, Q.
        message_matrix: T ``[heads, width, width]``, M.
        padding: Number of further slots of weight 0 for each atom that are not stored, a scalar.
        gate: Whether angles scale the scores too.
        smooth: Whether the weights enter as a smooth switch.

    Returns:
        T ``[n, nnei, width]``, 0 for padding.

    Raises:
        tf.errors.InvalidArgumentError: Shapes that do not fit, negative padding (from the compiled
            op).
    """
    options = {"gate": gate, "smooth": smooth}
    padding = tf.cast(padding, features.dtype)
    inputs = (features, vectors, weight, padding, score_matrix, message_matrix)
    ops = cpu_ops() if features.dtype in (tf.float32, tf.float64) else None
    if ops is None:
        return reference.pair_attention(*inputs, **options)
    return ops.deepattn_pair_attention(*inputs, **options)
