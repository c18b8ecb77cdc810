"""Weighted sums over neighbors: compiled where possible, else in plain TensorFlow."""

from typing import NamedTuple

import tensorflow as tf

from deepattn.ops import reference
from deepattn.ops.loader import cpu_ops


class NeighborSums(NamedTuple):
    """Results of `neighbor_sums`; one that is not wanted is None."""

    convolution: tf.Tensor | None  # T [n, width]
    moments: tf.Tensor | None  # T [n, columns, width]


def neighbor_sums(
    features: tf.Tensor,
    weight: tf.Tensor,
    *,
    index: tf.Tensor | None = None,
    factors: tf.Tensor | None = None,
    vectors: tf.Tensor | None = None,
) -> NeighborSums:
    """Sums over the neighbors k of each atom, ``Σ w_k f_k F_k`` and ``Σ w_k h_k ⊗ f_k``.

    The compiled op, for machines without GPUs, looks features up where they are and keeps no array
    with a row for each neighbor, in both derivatives too; derivatives of higher order are those of
    the reference implementation.

    Args:
        features: f, T ``[rows, width]``; the compiled op is for float32 and float64.
        weight: w, T ``[n, nnei]``. Slots of weight 0 get gradients of 0 from the compiled op.
        index: int32 ``[n, nnei]``, which row of the features a slot has; None if each has its own,
            in order.
        factors: F, T ``[n, nnei, width]``; without there is no convolution.
        vectors: h, T ``[n, nnei, columns]``, at most 4 in the compiled op; without there are
            no moments.

    Raises:
        ValueError: There are neither factors nor vectors.
        tf.errors.InvalidArgumentError: Shapes that do not fit, an index that is not in the features
            (from the compiled op).
    """
    if factors is None and vectors is None:
        raise ValueError("factors and vectors are both None: there is nothing to sum")
    dtype, width = features.dtype, features.shape[1]
    inputs = (
        features,
        tf.zeros([0, 0], tf.int32) if index is None else index,
        weight,
        tf.zeros([0, 0, width], dtype) if factors is None else factors,
        tf.zeros([0, 0, 3], dtype) if vectors is None else vectors,
    )
    convolves, turns = factors is not None, vectors is not None
    ops = cpu_ops() if dtype in (tf.float32, tf.float64) else None
    if ops is not None:
        convolution, moments = ops.deepattn_neighbor_sums(*inputs)
    else:
        convolution, moments = reference.neighbor_sums(
            *inputs, convolves=convolves, turns=turns, indexed=index is not None
        )
    return NeighborSums(convolution if convolves else None, moments if turns else None)
