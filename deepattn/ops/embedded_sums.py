"""Sums of an embedding net over neighbors, or pairs of them: compiled where possible, else in plain
TensorFlow."""

from collections.abc import Callable, Sequence
from functools import partial

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


def embedded_contraction(
    rows: tf.Tensor,
    index: tf.Tensor,
    layers: Sequence[DenseLayer],
    *,
    factors: tf.Tensor | None = None,
    weight: tf.Tensor | None = None,
    vectors: tf.Tensor | None = None,
    times: tf.Tensor | None = None,
    function: Callable[[tf.Tensor], tf.Tensor] = tf.tanh,
    product: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] = exact_product,
) -> tf.Tensor:
    """``R^T G`` with an embedding G of the first column of R, ``Σ_k R_k ⊗ G(R_k0, index_k)``.

    G is `pair_embedding`, with factors or vectors by an index. The compiled op, for machines
    without GPUs, keeps no array with a row for each neighbor, in both derivatives too. Slots with
    the same numbers one after the other, as empty ones are, are computed once. Derivatives of
    higher order are those of the reference implementation.

    Reference: D. Zhang et al., arXiv:2312.15492.

    Args:
        rows: R, T ``[n, nnei, columns]``; the compiled op is for float32 and float64 and up to 4
            columns. Slots whose row is 0 add nothing, and get gradients of 0 from the compiled op.
        index: int32 ``[n, nnei]``, of the factors or vectors.
        layers: Of the net, whose input is a number; see `pair_embedding`.
        factors: T ``[nfactors, width]``, scaling of the embedding.
        weight: T ``[n, nnei]``, that the factors are multiplied with; None for 1.
        vectors: T ``[nvectors, …]``, further columns of the input, instead of factors.
        times: T ``[nnei]``, how many slots each one stands for; None for one.
        function: Activation; the compiled op knows ``tf.tanh``.
        product: Matrix product; the compiled op knows that of `deepattn.ops`.

    Returns:
        T ``[n, columns, width]``.

    Raises:
        ValueError: There are both factors and vectors, or neither.
        tf.errors.InvalidArgumentError: Shapes that do not fit, an index that is too large (from the
            compiled op).
    """
    return _embedded_sums(
        *(rows, index, layers, factors, weight, vectors, times, function, product), angles=False
    )


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
    array with a number for each pair, in both derivatives too, and computes what is the same in
    both orders once; derivatives of higher order are those of the reference implementation.

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
    return _embedded_sums(
        *(rows, kind, layers, factors, weight, vectors, times, function, product), angles=True
    )


def _embedded_sums(
    rows: tf.Tensor,
    index: tf.Tensor,
    layers: Sequence[DenseLayer],
    factors: tf.Tensor | None,
    weight: tf.Tensor | None,
    vectors: tf.Tensor | None,
    times: tf.Tensor | None,
    function: Callable[[tf.Tensor], tf.Tensor],
    product: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    *,
    angles: bool,
) -> tf.Tensor:
    """One of both, of the arguments that they have in common."""
    table = factors if vectors is None else vectors
    if table is None or (factors is not None and vectors is not None):
        raise ValueError("there must be either factors or vectors")
    dtype = rows.dtype
    if times is None:
        times = tf.ones(tf.shape(index)[1:], dtype)
    matrices, biases, steps = spread(layers, dtype)
    compiled = is_compiled_net(layers, dtype, function, product)
    compiled = compiled and (vectors is None or may_have_offsets(1, matrices[0]))
    ops = cpu_ops() if compiled else None
    if ops is None:

        def embedding(x: tf.Tensor, weights: tf.Tensor | None, rows: tf.Tensor) -> tf.Tensor:
            scale = None if factors is None else PairScale(weights, rows, factors)
            further = None if vectors is None else PairVectors(rows, vectors)
            return pair_embedding(
                x, layers, scale=scale, vectors=further, function=function, product=product
            )

        plain = reference.embedded_contraction
        if angles:
            plain = partial(reference.angle_sums, kinds=round(table.shape[0] ** 0.5))
        return plain(rows, weight, index, times, embedding)
    if vectors is not None:
        matrices[0] = with_offsets(1, matrices[0], vectors)
        factors, weight = tf.zeros([0, layers[-1].matrix.shape[1]], dtype), tf.zeros([0, 0], dtype)
    elif weight is None:
        weight = tf.ones(tf.shape(index), dtype)
    op = ops.deepattn_angle_sums if angles else ops.deepattn_embedded_contraction
    return op(
        *(rows, weight, index, times, factors, matrices, biases, steps),
        offsets=vectors is not None,
    )
