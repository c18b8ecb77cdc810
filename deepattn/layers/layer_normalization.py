"""Layer normalization with exact second derivatives."""

from __future__ import annotations

import keras
import tensorflow as tf

from deepattn.ops.reference import normalize_rows


@keras.saving.register_keras_serializable(package="deepattn")
class LayerNormalization(keras.layers.LayerNormalization):
    """Mean 0 and variance 1 over the last axis, then scale and shift (arXiv:1607.06450).

    Keras holds the mean in its variance constant under differentiation. That leaves the first
    derivative right, but not the second, by which forces train the weights below.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return normalize_rows(inputs, self.epsilon) * self.gamma + self.beta
