"""One helper that exercises every layer."""

import keras
import numpy as np
import tensorflow as tf


def check_layer(layer_class, config, inputs, *, expected_shape, dtype="float64"):
    """Build a layer, call it eagerly and in a graph, save and restore it; return the output.

    Of a layer with several outputs the shapes are a list, and the first is returned. Checks shapes
    and precision, that the configuration makes an equal layer, that
    weights have names, and that every trainable weight has a finite gradient of second order too.
    """
    layer = layer_class(**config, dtype=dtype)
    outputs = tf.nest.flatten(layer(*inputs))
    shapes = expected_shape if isinstance(expected_shape, list) else [expected_shape]
    assert [tuple(output.shape) for output in outputs] == shapes
    assert layer.variable_dtype == dtype
    assert {output.dtype.name for output in outputs} == {dtype}
    for found, output in zip(tf.nest.flatten(tf.function(layer)(*inputs)), outputs, strict=True):
        np.testing.assert_allclose(found, output, rtol=1e-6, atol=1e-6)

    restored = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert restored.get_config() == layer.get_config()
    restored(*inputs)
    restored.set_weights(layer.get_weights())
    for found, output in zip(tf.nest.flatten(restored(*inputs)), outputs, strict=True):
        np.testing.assert_array_equal(found, output)

    variables = layer.named_variables()
    assert {id(v) for v in variables.values()} == {id(v) for v in layer.weights}
    _check_second_gradients(layer, inputs)
    return layer, np.asarray(outputs[0])


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
                outputs = tf.nest.flatten(layer(*inputs))
                total = tf.add_n([tf.reduce_sum(tf.sin(output)) for output in outputs])
            first = inner.gradient(total, variables)
            assert all(g is not None for g in first)
            square = tf.add_n([tf.reduce_sum(g * g) for g in first])
        second = outer.gradient(square, variables)
    for gradients in (first, second):
        for gradient in gradients:
            assert gradient is None or np.isfinite(gradient).all()
