"""Evaluation of many rows in blocks, so that intermediate results stay small."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf


def in_blocks(
    function: Callable[[tf.Tensor], Sequence[tf.Tensor]],
    order: tf.Tensor,
    block: int | tf.Tensor,
    kinds: Sequence[tuple[str | tf.DType, Sequence[int | None]]],
) -> list[tf.Tensor]:
    """Results of ``function`` for all rows.

    Args:
        function: Takes indices ``[m]`` of rows and returns arrays ``[m, *shape]``, of which the
            first are kept.
        order: In which order the rows are taken.
        block: Number of rows a call.
        kinds: Types of the results, and their shapes for one row.
    """
    # One block at least, so that of no rows there are results too.
    count = tf.maximum((tf.size(order) + block - 1) // block, 1)
    # Lists of raw operations keep no state, unlike a tf.TensorArray of a graph without functions.
    results = [
        tf.raw_ops.TensorListReserve(
            element_shape=_lengths(shape), num_elements=count, element_dtype=dtype
        )
        for dtype, shape in kinds
    ]

    def body(k: tf.Tensor, *results: tf.Tensor) -> tuple[tf.Tensor, ...]:
        values = function(order[k * block : (k + 1) * block])[: len(kinds)]
        written = [
            tf.raw_ops.TensorListSetItem(input_handle=result, index=k, item=value)
            for result, value in zip(results, values, strict=True)
        ]
        return k + 1, *written

    _, *results = tf.while_loop(
        lambda k, *_: k < count, body, [tf.constant(0), *results], parallel_iterations=1
    )
    back = tf.math.invert_permutation(order)
    return [
        tf.gather(_concatenated(result, shape, dtype), back)
        for result, (dtype, shape) in zip(results, kinds, strict=True)
    ]


def _concatenated(
    handle: tf.Tensor, shape: Sequence[int | None], dtype: str | tf.DType
) -> tf.Tensor:
    return tf.raw_ops.TensorListConcatV2(
        input_handle=handle,
        element_shape=_lengths(shape),
        leading_dims=tf.constant([], tf.int64),
        element_dtype=dtype,
    ).tensor


def _lengths(shape: Sequence[int | None]) -> list[int]:
    """The shape of an element of a list, −1 where a length is not known."""
    return [-1, *(-1 if length is None else length for length in shape)]
