"""Reference implementations of the ops over tables: embeddings of compressed models."""

import tensorflow as tf


def tabulated_embedding(
    table: tf.Tensor,
    table_info: tf.Tensor,
    rows: tf.Tensor,
    weight: tf.Tensor,
    index: tf.Tensor,
    factors: tf.Tensor,
    *,
    width: int,
) -> tf.Tensor:
    """``P_k(x) (1 + weight factors_k)`` for every number x of ``rows``.

    P is the polynomial of degree five of the interval that x lies in. Beyond the ends of a table
    it goes on straight.

    Args:
        table: T ``[ntables, nintervals, 6, stride]``, coefficients from degree 0 up; one table, or
            one for each index.
        table_info: T ``[6]``: lower, upper, max, the widths of the intervals from lower to upper
            and from there to max, and a number that is not used.
        rows: T ``[natoms, nnei]``.
        weight: T ``[natoms, nnei]``, or ``[0]`` for ones.
        index: int32 ``[natoms, nnei]``.
        factors: T ``[nfactors, stride]``, one row for each index; without rows 0.
        width: number of functions; the rest of ``stride`` is not looked at.

    Returns:
        T ``[natoms, nnei, width]``.
    """
    row, inside, beyond = _interval(table_info, tf.shape(table)[1], rows)
    of_table = index if table.shape[0] != 1 else tf.zeros_like(index)
    coefficients = tf.gather_nd(table[..., :width], tf.stack([of_table, row], axis=-1))
    value = tf.matmul(_powers(inside, beyond)[..., tf.newaxis, :], coefficients)[..., 0, :]
    if factors.shape[0] == 0:
        return value
    scale = tf.gather(factors[:, :width], index)
    if weight.shape.rank != 1:
        scale *= weight[..., tf.newaxis]
    return value * (1.0 + scale)


def tabulated_contraction(
    table: tf.Tensor,
    table_info: tf.Tensor,
    rows: tf.Tensor,
    weight: tf.Tensor,
    index: tf.Tensor,
    factors: tf.Tensor,
    matrix: tf.Tensor,
    *,
    width: int,
) -> tf.Tensor:
    """``matrixᵀ G`` T ``[natoms, 4, width]`` of ``matrix`` T ``[natoms, nnei, 4]``.

    G is `tabulated_embedding` of the other arguments.
    """
    embedding = tabulated_embedding(table, table_info, rows, weight, index, factors, width=width)
    return tf.matmul(matrix, embedding, transpose_a=True)


def tabulate_fusion_se_atten(
    table: tf.Tensor,
    table_info: tf.Tensor,
    em_x: tf.Tensor,
    em: tf.Tensor,
    two_embed: tf.Tensor,
    *,
    last_layer_size: int,
) -> tf.Tensor:
    """`tabulated_contraction` in the arguments of DeePMD-kit's ops.

    Args:
        table: T ``[nintervals, last_layer_size * 6]``, coefficients of a function side by side.
        table_info: as of `tabulated_embedding`.
        em_x: T ``[natoms * nnei, 1]``.
        em: T ``[natoms, nnei, 4]``.
        two_embed: T ``[natoms * nnei, last_layer_size]``, factors of each slot; of
            ``TabulateFusionSeA``, which has none, ``[0, last_layer_size]``.
        last_layer_size: number of functions.

    Returns:
        T ``[natoms, 4, last_layer_size]``.
    """
    width = last_layer_size
    coefficients = tf.reshape(table, [1, -1, width, 6])
    slots = tf.shape(em)[:2]
    return tabulated_contraction(
        tf.transpose(coefficients, [0, 1, 3, 2]),
        table_info,
        tf.reshape(em_x, slots),
        tf.zeros([0], em.dtype),
        tf.reshape(tf.range(tf.reduce_prod(slots)), slots),
        two_embed,
        em,
        width=width,
    )


def _powers(inside: tf.Tensor, beyond: tf.Tensor) -> tf.Tensor:
    """What the coefficients are multiplied by, ``inside**k + k inside**(k - 1) beyond``.

    Arguments: those of one shape from `_interval`. The result has one axis more, of the six k.
    """
    powers, slopes = [tf.ones_like(inside)], [tf.zeros_like(inside)]
    for degree in range(1, 6):
        slopes.append(degree * powers[-1])
        powers.append(powers[-1] * inside)
    return tf.stack(powers, axis=-1) + tf.stack(slopes, axis=-1) * beyond[..., tf.newaxis]


def _interval(
    table_info: tf.Tensor, nintervals: int, rows: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Interval of each number, how far from its left edge the number lies, how far beyond the ends.

    The sum of the last two has the slope 1 everywhere.
    """
    lower, upper, most, fine, coarse, _ = tf.unstack(table_info)
    nfine = tf.cast((upper - lower) / fine, tf.int32)
    clipped = tf.clip_by_value(rows, lower, most)
    row = tf.where(
        clipped < upper,
        tf.cast((clipped - lower) / fine, tf.int32),
        nfine + tf.cast((clipped - upper) / coarse, tf.int32),
    )
    row = tf.clip_by_value(row, 0, nintervals - 1)  # of what is no number too
    steps = tf.cast(row, rows.dtype)
    left = tf.where(
        row < nfine,
        lower + steps * fine,
        upper + (steps - tf.cast(nfine, rows.dtype)) * coarse,
    )
    return row, clipped - left, rows - clipped
