"""Embeddings of compressed models, as tables: compiled where possible, else plain TensorFlow."""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from deepattn.ops import reference
from deepattn.ops.blocks import recomputed, rows_at_once
from deepattn.ops.loader import compat_ops, own_ops

# Rows of tables for the ops of our own are multiples of this, filled up with zeros.
_STRIDE = 16
# With 100 functions 400 to 1,600 slots take the same time within 10 %.
_SLOTS_AT_ONCE = 800


def table_stride(width: int) -> int:
    """Length of a row of such a table with so many functions."""
    return -(-width // _STRIDE) * _STRIDE


class Tables(NamedTuple):
    """Functions of one number, for pairs of types, as polynomials of degree five."""

    table: tf.Tensor  # T [ntables, nintervals, 6, stride], one table or one for each pair
    table_info: tf.Tensor  # T [6]: lower, upper, max, widths of intervals below and above upper
    factors: tf.Tensor  # T [npairs, stride], or no rows


def tabulated_embedding(
    rows: tf.Tensor, weight: tf.Tensor | None, index: tf.Tensor, tables: Tables, *, width: int
) -> tf.Tensor:
    """Pair embedding ``P(x) (1 + weight * factors[index])`` of every slot.

    Derivatives of the compiled op beyond the first are those of the reference implementation.

    Args:
        rows: T ``[natoms, nnei]``, the numbers x; T is float32 or float64.
        weight: T ``[natoms, nnei]``; ``None``: 1.
        index: int32 ``[natoms, nnei]``, pairs of types.
        tables: P, and the factors.
        width: number of functions, of which rows of tables may hold more.

    Returns:
        T ``[natoms, nnei, width]``.

    Raises:
        tf.errors.InvalidArgumentError: shapes that do not fit, an index that is too high (from
            the compiled op).
    """
    arguments = _arguments(rows, weight, index, tables)
    ops = own_ops()
    function = reference.tabulated_embedding if ops is None else ops.deepattn_tabulated_embedding
    return function(*arguments, width=width)


def tabulated_contraction(
    matrix: tf.Tensor,
    rows: tf.Tensor,
    weight: tf.Tensor | None,
    index: tf.Tensor,
    tables: Tables,
    *,
    width: int,
) -> tf.Tensor:
    """``RᵀG`` T ``[natoms, 4, width]`` of the environment matrix R and `tabulated_embedding`'s G.

    Args:
        matrix: R, T ``[natoms, nnei, 4]``; the others as in `tabulated_embedding`.
    """
    ops = own_ops()
    if ops is not None:
        arguments = _arguments(rows, weight, index, tables)
        return ops.deepattn_tabulated_contraction(*arguments, matrix, width=width)
    # Cut once here, not in every block.
    cut = tables._replace(table=tables.table[..., :width], factors=tables.factors[:, :width])

    def of_atoms(atoms: Sequence[tf.Tensor], _: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        matrix, rows, index, *weights = atoms
        arguments = _arguments(rows, weights[0] if weights else None, index, cut)
        return [reference.tabulated_contraction(*arguments, matrix, width=width)]

    # The coefficients of a pair are six times as many as its functions: those of a block fit the
    # cache of a processor, and the gradient looks them up again instead of keeping them.
    [contracted] = recomputed(
        *(of_atoms, [matrix, rows, index, *([] if weight is None else [weight])], []),
        block=rows_at_once(tf.shape(rows)[1], _SLOTS_AT_ONCE),
        kinds=[(rows.dtype, [4, width])],
    )
    return contracted


def tabulate_fusion_se_atten(
    table: tf.Tensor,
    table_info: tf.Tensor,
    em_x: tf.Tensor,
    em: tf.Tensor,
    two_embed: tf.Tensor,
    *,
    last_layer_size: int,
    is_sorted: bool = False,
) -> tf.Tensor:
    """``RᵀG`` by the op that DeePMD-kit has for it, with tables laid out as it wants them.

    Args:
        table: T ``[nintervals, last_layer_size * 6]``, the coefficients of a function side by side.
        table_info: T ``[6]``, as in `Tables`.
        em_x: T ``[natoms * nnei, 1]``, what the functions are evaluated at.
        em: R, T ``[natoms, nnei, 4]``.
        two_embed: T ``[natoms * nnei, last_layer_size]``, by how much more than once each slot's
            functions count.
        last_layer_size: number of functions.
        is_sorted: whether the slots behind the first that looks like an atom's last one are alike,
            so that the op may leave them out. It looks at ``em_x`` and the last three of ``em``.

    Returns:
        T ``[natoms, 4, last_layer_size]``.
    """
    arguments = (table, table_info, em_x, em, two_embed)
    ops = compat_ops()
    if ops is None:
        return reference.tabulate_fusion_se_atten(*arguments, last_layer_size=last_layer_size)
    return ops.tabulate_fusion_se_atten(
        *arguments, last_layer_size=last_layer_size, is_sorted=is_sorted
    )


def tabulate_fusion_se_a(
    table: tf.Tensor,
    table_info: tf.Tensor,
    em_x: tf.Tensor,
    em: tf.Tensor,
    *,
    last_layer_size: int,
) -> tf.Tensor:
    """`tabulate_fusion_se_atten` without factors; slots at the end that are alike count together.

    Args:
        table, table_info, em_x, em, last_layer_size: as of `tabulate_fusion_se_atten`.

    Returns:
        T ``[natoms, 4, last_layer_size]``.
    """
    ops = compat_ops()
    if ops is None:
        none = tf.zeros([0, last_layer_size], em.dtype)
        return reference.tabulate_fusion_se_atten(
            table, table_info, em_x, em, none, last_layer_size=last_layer_size
        )
    return ops.tabulate_fusion_se_a(table, table_info, em_x, em, last_layer_size=last_layer_size)


def _arguments(
    rows: tf.Tensor, weight: tf.Tensor | None, index: tf.Tensor, tables: Tables
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    weight = tf.zeros([0], rows.dtype) if weight is None else weight
    return tables.table, tables.table_info, rows, weight, index, tables.factors
