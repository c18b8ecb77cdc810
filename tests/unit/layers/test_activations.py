"""Activations by name, and their values where they are easy to get wrong."""

import numpy as np
import pytest
import tensorflow as tf

from deepattn.layers import get_activation


@pytest.mark.parametrize(
    "name",
    "tanh relu relu6 softplus sigmoid gelu gelu_tf silu silut silut:2.5 linear none".split(),
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_names_in_any_case_and_both_precisions(name, dtype):
    x = tf.constant([-3.0, -0.2, 0.0, 0.7, 9.0], dtype)
    y = get_activation(name.upper())(x)
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, get_activation(name)(x))


def test_unknown_name():
    with pytest.raises(ValueError, match="activation 'swoosh' is unknown; choose one of tanh"):
        get_activation("swoosh")
    with pytest.raises(ValueError, match="'silut:much' is unknown"):
        get_activation("silut:much")


def test_the_two_gelus_differ_by_a_rounded_coefficient():
    x = tf.constant([1.5], tf.float64)
    exact = 0.75 * (1 + np.tanh(0.7978845608028654 * (1.5 + 0.044715 * 1.5**3)))
    assert get_activation("gelu")(x).numpy()[0] == pytest.approx(exact, abs=1e-15)
    difference = abs(get_activation("gelu_tf")(x).numpy()[0] - exact)
    assert 1e-12 < difference < 1e-8


def test_silut_joins_smoothly():
    f = get_activation("silut:2.0")
    with tf.GradientTape() as tape:
        x = tf.constant([2.0 - 1e-6, 2.0 + 1e-6], tf.float64)
        tape.watch(x)
        y = f(x)
    slope = tape.gradient(y, x).numpy()
    assert y.numpy()[0] == pytest.approx(y.numpy()[1], abs=1e-5)
    assert slope[0] == pytest.approx(slope[1], abs=1e-5)
