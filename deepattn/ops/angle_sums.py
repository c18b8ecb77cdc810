"""Sums over angles between neighbors: compiled where possible, else in plain TensorFlow."""

from collections.abc import Callable, Sequence

import tensorflow as tf

from deepattn.ops import reference
from deepattn.ops.loader import cpu_ops
from deepattn.ops.pair_embedding import (
    DenseLayer,
    PairScale,
    PairVectors,
    is_compiled_net,
    may_have_offsets,
    pair_embedding,
    spread,
    with_offsets,
)
from deepattn.ops.product import product as exact_product


def angle_sums(
    rows: tf.Tensor,
    kind: tf.Tensor,
    layers: Sequence[DenseLayer],
    *,
    factors: tf.Tensor | None = None,
    weight: tf.Tensor | None = None,
    vectors: tf.Tensor | None = None,
    times: tf.Tensor | None = None,
    function: Callable[[tf.Tensor], tf.Tensor] = tf.tanh,
    product: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] = exact_product,
) -> tf.Tensor:
    """``Σ_kl c_kl E(c_kl, pair of types)`` with ``c = R R^T`` over the slots of each atom.

    Both orders of two slots, and a slot with itself, are included. E is `pair_embedding`, with
    factors or vectors for each pair of types. The compiled op, for machines without GPUs, keeps no
    array with a number for each pair, in both derivatives too, and computes what is the same in both
    orders once; derivatives of higher order are those of the reference implementation.

    Reference: D. Zhang et al., arXiv:2312.15492.

    Args:
        rows: R, T ``[n, nnei, 3]``; the compiled op is for float32 and float64. Slots whose row is
            0 add nothing, and get gradients of 0 from the compiled op.
        kind: int32 ``[n, nnei]``, types of the slots, less than ``kinds``.
        layers: Of the net, whose input is c; see `pair_embedding`.
        factors: T ``[kinds², width]``, scaling of the embedding by the pair of types.
        weight: T ``[n, nnei]``; the factors of a pair are multiplied with both of its weights. None
            for 1.
        vectors: T ``[kinds², …]``, further columns of the input, instead of factors.
        times: T ``[nnei]``, how many slots each one stands for; None for one.
        function: Activation; the compiled op knows ``tf.tanh``.
        product: Matrix product; the compiled op knows that of `deepattn.ops`.

    Returns:
        T ``[n, width]``.

    Raises:
        ValueError: There are both factors and vectors, or neither.
        tf.errors.InvalidArgumentError: Shapes that do not fit, a type that is too large (from the
            compiled op).
    """
    table = factors if vectors is None else vectors
    if table is None or (factors is not None and vectors is not None):
        raise ValueError("there must be factors or vectors for the pairs of types, not both")
    dtype = rows.dtype
    if times is None:
        times = tf.ones(tf.shape(kind)[1:], dtype)
    matrices, biases, steps = spread(layers, dtype)
    compiled = is_compiled_net(layers, dtype, function, product)
    compiled = compiled and (vectors is None or may_have_offsets(1, matrices[0]))
    ops = cpu_ops() if compiled else None
    if ops is None:

        def embedding(c: tf.Tensor, weights: tf.Tensor | None, pair: tf.Tensor) -> tf.Tensor:
            scale = None if factors is None else PairScale(weights, pair, factors)
            further = None if vectors is None else PairVectors(pair, vectors)
            return pair_embedding(
                c, layers, scale=scale, vectors=further, function=function, product=product
            )

        kinds = round(table.shape[0] ** 0.5)
        return reference.angle_sums(rows, weight, kind, times, kinds, embedding)
    if vectors is not None:
        matrices[0] = with_offsets(1, matrices[0], vectors)
        factors = tf.zeros([0, layers[-1].matrix.shape[1]], dtype)
    if vectors is not None:
        weight = tf.zeros([0, 0], dtype)
    elif weight is None:
        weight = tf.ones(tf.shape(kind), dtype)
    return ops.deepattn_angle_sums(
        rows, weight, kind, times, factors, matrices, biases, steps, offsets=vectors is not None
    )
