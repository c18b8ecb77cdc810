"""Derivatives by a weight, compared with differences."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf


def assert_forces_train(
    model: keras.Model, inputs: dict, weights: np.ndarray, rng: np.random.Generator
) -> None:
    """The gradient of a sum of forces by the first trained weight is what differences give.

    Args:
        model: The model.
        inputs: As it takes them.
        weights: Of the components of the forces.
        rng: Draws the direction in which the weight is moved.
    """
    variable, step = model.trainable_variables[0], 1e-6
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(weights * model(inputs, with_descriptor=False)["force"])
    gradient = tape.gradient(total, variable)
    value, ends = variable.numpy(), []
    direction = rng.normal(size=value.shape)
    for sign in (1, -1):
        variable.assign(value + sign * step * direction)
        ends.append(float(np.sum(weights * model(inputs)["force"].numpy())))
    variable.assign(value)
    expected = (ends[0] - ends[1]) / (2 * step)
    np.testing.assert_allclose(np.sum(gradient * direction), expected, rtol=1e-6)
