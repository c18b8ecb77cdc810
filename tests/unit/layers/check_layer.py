"""One helper that exercises every layer."""

import keras
import numpy as np
import tensorflow as tf


def check_layer(layer_class, config, inputs, *, expected_shape, dtype="float64"):
    """Build a layer, call it eagerly and in a graph, save and restore it; return the output.

    Checks the output's shape and precision, that the configuration makes an equal layer, that
    weights have names, and that every trainable weight has a finite gradient of second order too.
    """
    layer = layer_class(**config, dtype=dtype)
    output = layer(*inputs)
    assert output.shape == expected_shape
    assert layer.variable_dtype == dtype
    assert output.dtype == dtype
    np.testing.assert_allclose(tf.function(layer)(*inputs), output, rtol=1e-6, atol=1e-6)

    restored = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert restored.get_config() == layer.get_config()
    restored(*inputs)
    restored.set_weights(layer.get_weights())
    np.testing.assert_array_equal(restored(*inputs), output)

    variables = layer.named_variables()
    assert {id(v) for v in variables.values()} == {id(v) for v in layer.weights}
    _check_second_gradients(layer, inputs)
    return layer, np.asarray(output)


def _check_second_gradients(layer, inputs):
    if not layer.trainable_variables:
        return
    variables = [tf.convert_to_tensor(v) for v in layer.trainable_variables]
    with keras.StatelessScope(
        state_mapping=list(zip(layer.trainable_variables, variables, strict=True))
    ):
        with tf.GradientTape() as outer:
            outer.watch(variables)
            with tf.GradientTape() as inner:
                inner.watch(variables)
                total = tf.reduce_sum(tf.sin(layer(*inputs)))
            first = inner.gradient(total, variables)
            assert all(g is not None for g in first)
            square = tf.add_n([tf.reduce_sum(g * g) for g in first])
        second = outer.gradient(square, variables)
    for gradients in (first, second):
        for gradient in gradients:
            assert gradient is None or np.isfinite(gradient).all()
