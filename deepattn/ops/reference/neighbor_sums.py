"""Weighted sums over the neighbors of atoms, with their two derivatives.

The names are explained in ``ops/kernels/common/passes.h``."""

from collections.abc import Sequence

import tensorflow as tf

from deepattn.ops.reference.tapes import gradients_of, left_out

# The input without a gradient.
_INDEX = 1


def neighbor_sums(
    features: tf.Tensor,
    index: tf.Tensor,
    weight: tf.Tensor,
    factors: tf.Tensor,
    vectors: tf.Tensor,
    *,
    convolves: bool,
    turns: bool,
    indexed: bool,
) -> tuple[tf.Tensor, tf.Tensor]:
    """What `deepattn.ops.neighbor_sums` does, in any floating-point type.

    ``convolves``, ``turns`` and ``indexed`` say whether there are factors, vectors and an index.
    A result that is not wanted has no rows.
    """
    width = features.shape[1]
    shape = tf.concat([tf.shape(weight), [width]], axis=0)
    rows = tf.gather(features, index) if indexed else tf.reshape(features, shape)
    convolution = tf.zeros([0, width], features.dtype)
    moments = tf.zeros([0, vectors.shape[2], width], features.dtype)
    if convolves:
        convolution = tf.matmul(weight[:, tf.newaxis], rows * factors)[:, 0]
    if turns:
        moments = tf.matmul(vectors * weight[:, :, tf.newaxis], rows, transpose_a=True)
    return convolution, moments


def neighbor_sums_backward(
    grad_convolution: tf.Tensor, grad_moments: tf.Tensor, *inputs: tf.Tensor, **options: bool
) -> list[tf.Tensor]:
    """Gradients by features, weight, factors and vectors; inputs as in the op."""
    sources = left_out(inputs, _INDEX)
    with tf.GradientTape() as tape:
        tape.watch(sources)
        outputs = neighbor_sums(*inputs, **options)
    return gradients_of(tape, outputs, sources, [grad_convolution, grad_moments])


def neighbor_sums_double_backward(
    grad_convolution: tf.Tensor,
    grad_moments: tf.Tensor,
    grad_grads: Sequence[tf.Tensor],
    *inputs: tf.Tensor,
    **options: bool,
) -> list[tf.Tensor]:
    """``grad_grad_convolution``, ``grad_grad_moments``, then gradients as in the backward pass.

    ``grad_grads`` belong to features, weight, factors and vectors.
    """
    sources = [grad_convolution, grad_moments, *left_out(inputs, _INDEX)]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        gradients = neighbor_sums_backward(grad_convolution, grad_moments, *inputs, **options)
    return gradients_of(tape, gradients, sources, grad_grads)
