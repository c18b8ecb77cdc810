"""GELU in its tanh form (arXiv:1606.08415), with the constants in the tensor's own precision."""

import tensorflow as tf

_S = 0.7978845608028654  # sqrt(2/π)
_C = 0.044715


def gelu(x: tf.Tensor) -> tf.Tensor:
    """``x (1 + tanh u) / 2`` with ``u = s (x + c x³)``; any shape."""
    return 0.5 * x * (1.0 + tf.tanh(_S * (x + _C * x * x * x)))


def gelu_grad(dy: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """``dy · gelu'(x)``; all of one shape."""
    t = tf.tanh(_S * (x + _C * x * x * x))
    slope = _S * (1.0 + 3.0 * _C * x * x)
    return dy * (0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * slope)


def gelu_grad_grad(dy: tf.Tensor, dy2: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """``dy · dy2 · gelu''(x)``; all of one shape."""
    t = tf.tanh(_S * (x + _C * x * x * x))
    slope = _S * (1.0 + 3.0 * _C * x * x)
    curvature = 6.0 * _S * _C * x
    second = (1.0 - t * t) * (slope + 0.5 * x * (curvature - 2.0 * t * slope * slope))
    return dy * dy2 * second
