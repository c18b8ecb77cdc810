"""Layer normalisation with exact second derivatives."""

from __future__ import annotations

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="deepattn")
class LayerNormalization(keras.layers.LayerNormalization):
    """Mean 0 and variance 1 over the last axis, then scale and shift (arXiv:1607.06450).

    Keras holds the mean in its variance constant under differentiation. That leaves the first
    derivative right, but not the second, by which forces train the weights below.
    """

    def call(self, inputs):
        centred = inputs - tf.reduce_mean(inputs, axis=-1, keepdims=True)
        variance = tf.reduce_mean(tf.square(centred), axis=-1, keepdims=True)
        return centred * tf.math.rsqrt(variance + self.epsilon) * self.gamma + self.beta
