"""Attention between the neighbors of an atom in the repformer (arXiv:2312.15492), with its two
derivatives.

The names are explained in ``ops/kernels/common/passes.h``."""

import tensorflow as tf

from deepattn.ops.reference.neighbor_softmax import neighbor_softmax
from deepattn.ops.reference.tapes import gradients_of, left_out

# The input without a gradient.
_PADDING = 3


def pair_attention(
    features: tf.Tensor,
    vectors: tf.Tensor,
    weight: tf.Tensor,
    padding: tf.Tensor | int,
    score_matrix: tf.Tensor,
    message_matrix: tf.Tensor,
    *,
    gate: bool,
    smooth: bool,
) -> tf.Tensor:
    """What `deepattn.ops.pair_attention` does, in any floating-point type."""
    attention = pair_attention_weights(
        features, vectors, weight, padding, score_matrix, gate=gate, smooth=smooth
    )
    mixed = tf.matmul(attention, _by_head(features, message_matrix))
    return tf.reduce_sum(mixed, axis=0)


def pair_attention_weights(
    features: tf.Tensor,
    vectors: tf.Tensor,
    weight: tf.Tensor,
    padding: tf.Tensor | int,
    score_matrix: tf.Tensor,
    *,
    gate: bool,
    smooth: bool,
) -> tf.Tensor:
    """The weights that each neighbor gives to the others, ``[heads, n, nnei, nnei]``."""
    product = tf.matmul(vectors, vectors, transpose_b=True)
    score = tf.matmul(_by_head(features, score_matrix), features, transpose_b=True)
    if gate:
        score *= product
    if not smooth:
        weight = tf.stop_gradient(weight)
    both = weight[:, :, tf.newaxis] * weight[:, tf.newaxis]
    return neighbor_softmax(score, both, padding, smooth=smooth) * product


def pair_attention_backward(
    grad_output: tf.Tensor, *inputs: tf.Tensor, **options: bool
) -> list[tf.Tensor]:
    """Gradients by features, vectors, weight and the two matrices; inputs as in the op."""
    sources = left_out(inputs, _PADDING)
    with tf.GradientTape() as tape:
        tape.watch(sources)
        output = pair_attention(*inputs, **options)
    return gradients_of(tape, output, sources, grad_output)


def pair_attention_double_backward(
    grad_output: tf.Tensor,
    grad_grad_features: tf.Tensor,
    grad_grad_vectors: tf.Tensor,
    grad_grad_weight: tf.Tensor,
    *inputs: tf.Tensor,
    **options: bool,
) -> list[tf.Tensor]:
    """``grad_grad_output``, then gradients by features, vectors, weight and the two matrices."""
    sources = [grad_output, *left_out(inputs, _PADDING)]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        gradients = pair_attention_backward(grad_output, *inputs, **options)[:3]
    grad_grads = [grad_grad_features, grad_grad_vectors, grad_grad_weight]
    return gradients_of(tape, gradients, sources, grad_grads)


def _by_head(features: tf.Tensor, matrices: tf.Tensor) -> tf.Tensor:
    """Features ``[n, nnei, width]`` times the matrix of each head, ``[heads, n, nnei, width]``."""
    n, nnei, width = tf.unstack(tf.shape(features))
    rows = tf.matmul(tf.reshape(features, [1, -1, features.shape[2]]), matrices)
    return tf.reshape(rows, [matrices.shape[0], n, nnei, width])
