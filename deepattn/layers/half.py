"""Products of nets in half precision, everything else in the precision of the weights."""

from __future__ import annotations

import keras
import tensorflow as tf

from deepattn.layers.embedding_net import EmbeddingNet
from deepattn.layers.fitting_net import FittingNet


def bfloat16_product(x: tf.Tensor, matrix: tf.Tensor) -> tf.Tensor:
    """``x W`` with both factors, and the result, rounded to bfloat16 (8 bits of mantissa)."""
    low = tf.bfloat16
    return tf.cast(tf.matmul(tf.cast(x, low), tf.cast(matrix, low)), x.dtype)


def use_bfloat16(layer: keras.layers.Layer) -> None:
    """Let the embedding nets of a layer, and the hidden layers of its fitting nets, use them.

    Biases, activations, residual connections and the last layer of a fitting net keep the precision
    of the weights; so do all weights.

    Args:
        layer: A descriptor or a fitting.
    """
    for part in layer._flatten_layers():
        if isinstance(part, EmbeddingNet):
            dense = part.hidden
        elif isinstance(part, FittingNet):
            dense = part.stack[:-1]
        else:
            continue
        for one in dense:
            one.product = bfloat16_product
