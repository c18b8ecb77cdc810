"""The pair embedding: compiled where that is possible, else its reference implementation."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

from deepattn.ops import reference
from deepattn.ops.loader import cpu_ops, own_ops
from deepattn.ops.product import product as exact_product

_MOST_LAYERS = 16


class PairScale(NamedTuple):
    """Scaling of the rows of an embedding by ``1 + weight * factors[index]``."""

    weight: tf.Tensor | None  # T [n]; None: 1
    index: tf.Tensor  # int32 [n]
    factors: tf.Tensor  # T [nfactors, width], one row for each pair of types


class PairVectors(NamedTuple):
    """Further columns of the rows of an embedding: ``vectors[index]``."""

    index: tf.Tensor  # int32 [n]
    vectors: tf.Tensor  # T [nvectors, width], one row for each pair of types


class DenseLayer(NamedTuple):
    """Weights of one layer of an embedding net."""

    matrix: tf.Tensor  # T [in, out]
    bias: tf.Tensor | None  # T [out]
    step: tf.Tensor | None  # T [out], time step


def spread(
    layers: Sequence[DenseLayer], dtype: tf.DType
) -> tuple[list[tf.Tensor], list[tf.Tensor], list[tf.Tensor]]:
    """Matrices, biases and time steps of layers; one that is missing has no elements."""
    none = tf.zeros([0], dtype)

    def each(part: str) -> list[tf.Tensor]:
        found = [getattr(layer, part) for layer in layers]
        return [none if weight is None else weight for weight in found]

    return each("matrix"), each("bias"), each("step")


def pair_embedding(
    rows: tf.Tensor,
    layers: Sequence[DenseLayer],
    *,
    scale: PairScale | None = None,
    vectors: PairVectors | None = None,
    function: Callable[[tf.Tensor], tf.Tensor] = tf.tanh,
    product: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] = exact_product,
) -> tf.Tensor:
    """An embedding net on rows, then the factors of their pairs of types.

    A layer makes ``function(x W + b)``, times its time step, and adds ``x`` if that is as wide as
    the result, or ``x`` twice side by side if the result is twice as wide (arXiv:1805.09003).
    The compiled op keeps a block of rows in the cache of a processor core through all layers, in
    both derivatives too; derivatives of higher order, and second ones by two parameters, are
    those of the reference implementation.

    Args:
        rows: T ``[n, in]``; the compiled op is for float32 and float64.
        layers: of the net; for the compiled op at most 16, all with a bias.
        scale: scaling of the result; none by default.
        vectors: what the rows are continued with; nothing by default. The compiled op for
            processors multiplies the first matrix with each vector once, not with each row.
        function: activation; the compiled op knows ``tf.tanh``.
        product: matrix product; the compiled op knows that of `deepattn.ops`.

    Returns:
        T ``[n, out]``.

    Raises:
        ValueError: there are both a scaling and vectors.
        tf.errors.InvalidArgumentError: shapes that do not fit, an index that is not in the table
            (from the compiled op).
    """
    if scale is not None and vectors is not None:
        raise ValueError("scale and vectors are both given, but they have one index")
    dtype = rows.dtype
    width = layers[-1].matrix.shape[1]
    none = tf.zeros([0], dtype)
    if scale is None:
        scale = PairScale(none, tf.zeros([0], tf.int32), tf.zeros([0, width], dtype))
    ops = own_ops() if is_compiled_net(layers, dtype, function, product) else None
    matrices, biases, steps = spread(layers, dtype)
    offsets = False
    if vectors is not None:
        offsets = ops is not None and cpu_ops() is not None
        offsets = offsets and may_have_offsets(rows.shape[1], matrices[0])
        if offsets:
            matrices[0] = with_offsets(rows.shape[1], matrices[0], vectors.vectors)
            scale = scale._replace(index=vectors.index)
        else:
            rows = tf.concat([rows, tf.gather(vectors.vectors, vectors.index)], axis=1)
    if ops is None:
        # The compiled product has no advantage in the reference implementation.
        multiply = tf.matmul if product is exact_product else product
        return reference.pair_embedding(
            rows, *scale, *matrices, *biases, *steps, function=function, product=multiply
        )
    if scale.weight is None:
        scale = scale._replace(weight=tf.ones_like(rows[:, 0]))
    return ops.deepattn_pair_embedding(rows, *scale, matrices, biases, steps, offsets=offsets)


def is_compiled_net(
    layers: Sequence[DenseLayer],
    dtype: tf.DType,
    function: Callable[[tf.Tensor], tf.Tensor],
    product: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
) -> bool:
    """Whether compiled ops compute a net of these layers."""
    return (
        function is tf.tanh
        and product is exact_product
        and dtype in (tf.float32, tf.float64)
        and len(layers) <= _MOST_LAYERS
        and all(layer.bias is not None for layer in layers)
    )


def may_have_offsets(inputs: int, matrix: tf.Tensor) -> bool:
    """Whether what vectors contribute to the first layer can be added to products of ``inputs``
    columns: the layer must not add its whole input to its result."""
    whole, units = matrix.shape
    return inputs < whole and units not in (whole, 2 * whole)


def with_offsets(inputs: int, matrix: tf.Tensor, vectors: tf.Tensor) -> tf.Tensor:
    """The first matrix of a net whose input has vectors behind ``inputs`` columns, for an op that
    adds a row of offsets, what a vector contributes: they are behind those of the input."""
    added = exact_product(vectors, matrix[inputs:])
    return tf.concat([matrix[:inputs], added], axis=0)
