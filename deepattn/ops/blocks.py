"""Evaluation of many rows in blocks, so that intermediate results stay small."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf

from deepattn.ops.reference.tapes import gradients_of

_frugal = contextvars.ContextVar("frugal", default=False)


@contextlib.contextmanager
def frugal() -> Iterator[None]:
    """Inside, `over_rows` is `recomputed`."""
    token = _frugal.set(True)
    try:
        yield
    finally:
        _frugal.reset(token)


def over_rows(
    function: Callable[[Any, Sequence[tf.Tensor]], Sequence[tf.Tensor]],
    rows: Any,
    shared: Sequence[tf.Tensor],
    *,
    block: tf.Tensor,
    kinds: Sequence[tuple[str | tf.DType, Sequence[int | None]]],
) -> list[tf.Tensor]:
    """``function(rows, shared)``, inside `frugal` by `recomputed`, whose arguments it has."""
    if _frugal.get():
        return recomputed(function, rows, shared, block=block, kinds=kinds)
    return list(function(rows, shared))


def recomputed(
    function: Callable[[Any, Sequence[tf.Tensor]], Sequence[tf.Tensor]],
    rows: Any,
    shared: Sequence[tf.Tensor],
    *,
    block: tf.Tensor,
    kinds: Sequence[tuple[str | tf.DType, Sequence[int | None]]],
) -> list[tf.Tensor]:
    """``function(rows, shared)`` of some rows at a time, which the gradient computes again.

    Only the arguments and results of all rows are in memory. There are derivatives by rows and
    shared arrays, and none by weights: for inference.

    Args:
        function: Takes rows and shared arrays, and returns arrays with an axis of the rows first.
            It must give each row's results from this row, and the shared arrays, alone.
        rows: Structure of arrays with an axis of rows first; others of no axis stay as they are.
        shared: Arrays of floating-point numbers.
        block: Number of rows at a time.
        kinds: Types of the results, and their shapes for one row.
    """
    flat = tf.nest.flatten(rows)
    moving = [k for k, x in enumerate(flat) if x.shape.rank != 0]
    sources = [k for k in moving if flat[k].dtype.is_floating]
    count = tf.shape(flat[moving[0]])[0]

    def of_rows(
        chosen: tf.Tensor, own: Sequence[tf.Tensor], common: Sequence[tf.Tensor]
    ) -> Sequence[tf.Tensor]:
        parts = list(flat)
        for k in moving:
            parts[k] = own[sources.index(k)] if k in sources else tf.gather(flat[k], chosen)
        return function(tf.nest.pack_sequence_as(rows, parts), common)

    @tf.custom_gradient
    def evaluate(*arguments: tf.Tensor) -> tuple[tuple[tf.Tensor, ...], Callable]:
        own, common = arguments[: len(sources)], arguments[len(sources) :]

        def values(chosen: tf.Tensor) -> Sequence[tf.Tensor]:
            return of_rows(chosen, [tf.gather(x, chosen) for x in own], common)

        def gradient(*upstream: tf.Tensor, variables: Sequence | None = None) -> Any:
            def of_block(chosen: tf.Tensor) -> list[tf.Tensor]:
                mine = [tf.gather(x, chosen) for x in own]
                with tf.GradientTape(watch_accessed_variables=False) as tape:
                    tape.watch([*mine, *common])
                    found = of_rows(chosen, mine, common)
                grads = [tf.gather(x, chosen) for x in upstream]
                return gradients_of(tape, found, [*mine, *common], grads)

            of_own = [(x.dtype, x.shape[1:]) for x in own]
            totals = [tf.zeros_like(x) for x in common]
            found = in_blocks(of_block, tf.range(count), block, of_own, totals)
            return found if variables is None else (found, [None] * len(variables))

        return tuple(in_blocks(values, tf.range(count), block, kinds)), gradient

    return list(evaluate(*(flat[k] for k in sources), *shared))


def rows_at_once(columns: tf.Tensor, elements: int) -> tf.Tensor:
    """Number of rows in a block of so many elements, one at least."""
    return tf.maximum(elements // tf.maximum(columns, 1), 1)


def in_blocks(
    function: Callable[[tf.Tensor], Sequence[tf.Tensor]],
    order: tf.Tensor,
    block: int | tf.Tensor,
    kinds: Sequence[tuple[str | tf.DType, Sequence[int | None]]],
    totals: Sequence[tf.Tensor] = (),
) -> list[tf.Tensor]:
    """Results of ``function`` for all rows in the order in which they are taken, then the totals.

    Args:
        function: Takes indices ``[m]`` of rows and returns arrays ``[m, *shape]``, then what is
            added to the totals; others are not kept.
        order: In which order the rows are taken.
        block: Number of rows a call.
        kinds: Types of the results, and their shapes for one row.
        totals: What the function's additions are added to.
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

    def body(k: tf.Tensor, *state: tf.Tensor) -> tuple[tf.Tensor, ...]:
        values = function(order[k * block : (k + 1) * block])[: len(state)]
        written = [
            tf.raw_ops.TensorListSetItem(input_handle=result, index=k, item=value)
            for result, value in zip(state[: len(kinds)], values[: len(kinds)], strict=True)
        ]
        added = [
            total + value
            for total, value in zip(state[len(kinds) :], values[len(kinds) :], strict=True)
        ]
        return k + 1, *written, *added

    _, *state = tf.while_loop(
        lambda k, *_: k < count, body, [tf.constant(0), *results, *totals], parallel_iterations=1
    )
    found = [
        _concatenated(result, shape, dtype)
        for result, (dtype, shape) in zip(state[: len(kinds)], kinds, strict=True)
    ]
    return [*found, *state[len(kinds) :]]


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
