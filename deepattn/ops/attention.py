"""Gated attention over neighbors: compiled where possible, else in plain TensorFlow."""

from typing import NamedTuple

import tensorflow as tf

from deepattn.ops import reference
from deepattn.ops.loader import own_ops


class AttentionParameters(NamedTuple):
    """Weights of one layer of gated attention; M: width of the embedding, A: of the attention."""

    query_matrix: tf.Tensor  # [M, A]
    query_bias: tf.Tensor  # [A]
    key_matrix: tf.Tensor  # [M, A]
    key_bias: tf.Tensor  # [A]
    value_matrix: tf.Tensor  # [M, A]
    value_bias: tf.Tensor  # [A]
    out_matrix: tf.Tensor  # [A, M]
    out_bias: tf.Tensor  # [M]
    gamma: tf.Tensor  # [M], scale of the layer normalization
    beta: tf.Tensor  # [M], shift


def gated_attention(
    embedding: tf.Tensor,
    direction: tf.Tensor,
    weight: tf.Tensor,
    parameters: AttentionParameters,
    *,
    count: tf.Tensor | None = None,
    padding: tf.Tensor | int = 0,
    dotr: bool,
    mask: bool,
    smooth: bool,
    ln_eps: float,
    temperature: float = 1.0,
    normalize: bool = True,
) -> tf.Tensor:
    """One layer of self-attention over neighbors (arXiv:2208.08236, eqs. 9-13).

    The formula is that of `deepattn.layers.GatedAttention`. The compiled op keeps all matrices
    between pairs of neighbors in the cache of a processor core, and has first and second
    derivatives that do the same; derivatives of higher order, and second derivatives by two
    parameters, are those of the reference.

    Args:
        embedding: T ``[n, nnei, M]``; the compiled op is for float32 and float64.
        direction: T ``[n, nnei, 3]``, unit vectors.
        weight: T ``[n, nnei]``, 0 for padding; without ``smooth`` a mask, which has no derivatives.
        parameters: T.
        count: int32 ``[n]``; from this slot on the weight is taken to be 0. None: all may count.
        padding: number of further slots of weight 0 for each atom that are not stored, a scalar.
        dotr: whether the angles between neighbors gate the attention.
        mask: whether a neighbor is barred from attending to itself.
        smooth: whether the weights enter as a smooth switch.
        ln_eps: epsilon of the layer normalization.
        temperature: factor of the scores; with any but 1 the reference does the work.
        normalize: whether queries, keys and values have unit length; else the reference does it.

    Returns:
        T ``[n, nnei, M]``.

    Raises:
        tf.errors.InvalidArgumentError: shapes that do not fit, a count that is not in
            ``[0, nnei]``, negative padding (all from the compiled op).
    """
    compiled = temperature == 1.0 and normalize and embedding.dtype in (tf.float32, tf.float64)
    ops = own_ops() if compiled else None
    options = {"dotr": dotr, "mask": mask, "smooth": smooth}
    if ops is None:
        inputs = (embedding, direction, weight, count, padding, ln_eps, *parameters)
        options |= {"normalize": normalize}
        return reference.gated_attention(*inputs, temperature=temperature, **options)
    if count is None:
        shape = tf.shape(weight)
        count = tf.fill([shape[0]], shape[1])
    output, _, _ = ops.deepattn_gated_attention(
        embedding,
        direction,
        weight,
        tf.cast(count, tf.int32),
        tf.cast(padding, embedding.dtype),
        tf.convert_to_tensor(ln_eps, embedding.dtype),
        *parameters,
        **options,
    )
    return output
