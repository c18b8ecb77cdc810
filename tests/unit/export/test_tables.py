"""Tables of embedding nets: contents, nodes and accuracy."""

import numpy as np
import pytest
import tensorflow as tf

from deepattn.errors import ConfigError
from deepattn.layers import EmbeddingNet
from deepattn.layers.tables import derivatives, quintics, table_of, table_range


def test_polynomials_of_degree_five_are_met():
    rng = np.random.default_rng(0)
    polynomials = [np.polynomial.Polynomial(c) for c in rng.normal(size=(3, 6))]
    nodes = np.array([-0.3, 0.1, 0.2, 1.7])
    at_nodes = [
        np.column_stack([p.deriv(order)(nodes) if order else p(nodes) for p in polynomials])
        for order in range(3)
    ]
    coefficients = quintics(np.diff(nodes), *at_nodes)
    assert coefficients.shape == (3, 6, 3)
    for interval, left in enumerate(nodes[:-1]):
        inside = np.linspace(left, nodes[interval + 1], 7)
        for k, p in enumerate(polynomials):
            found = np.polynomial.Polynomial(coefficients[interval, :, k])(inside - left)
            np.testing.assert_allclose(found, p(inside), rtol=0, atol=1e-11)


@pytest.mark.parametrize("activation", ["tanh", "gelu", "softplus", "linear", "relu6"])
@pytest.mark.parametrize("resnet_dt", [False, True])
def test_derivatives_are_those_of_the_net(activation, resnet_dt):
    """Widths that stay, double, and do neither; a vector beside the number."""
    net = EmbeddingNet(3, [3, 6, 4], activation, resnet_dt=resnet_dt, seed=3, dtype="float64")
    net.build()
    vector, x = np.array([0.3, -0.8]), np.linspace(-1, 4, 9)
    found = derivatives(net, vector, x)
    numbers, beside = tf.constant(x[:, None]), tf.constant(np.tile(vector, (len(x), 1)))
    for k in range(4):
        with tf.GradientTape() as outer:
            outer.watch(numbers)
            with tf.GradientTape() as inner:
                inner.watch(numbers)
                value = net(tf.concat([numbers, beside], axis=1))[:, k]
            # Rows do not depend on one another.
            slope = inner.gradient(value, numbers)
        curvature = outer.gradient(slope, numbers, unconnected_gradients="zero")
        for ours, theirs in zip(found, (value, slope, curvature), strict=True):
            expected = tf.reshape(theirs, [-1])
            np.testing.assert_allclose(ours[:, k], expected, rtol=0, atol=1e-12)


def test_the_error_falls_with_the_sixth_power_of_the_step():
    net = EmbeddingNet(1, [5, 10], seed=1, dtype="float64")
    net.build()
    worst = []
    for step in (0.5, 0.25):
        nodes = np.arange(0, 4 + step, step)
        table = table_of(net, np.zeros(0), nodes)
        y = np.linspace(0, step, 9)
        found = np.einsum("nmk,ym->nyk", table, y[:, None] ** np.arange(6))
        exact = net((nodes[:-1, None] + y).reshape(-1, 1)).numpy().reshape(found.shape)
        worst.append(abs(found - exact).max())
    assert 1e-12 < worst[1] < worst[0] / 40


def test_nodes_and_what_the_ops_are_told():
    span = table_range(-1, 3, step=0.01, extrapolate=5, dtype="float64")
    assert (span.nfine, span.ncoarse, span.nintervals) == (400, 120, 520)
    nodes = span.nodes
    assert len(nodes) == span.nintervals + 1
    np.testing.assert_allclose(nodes[[0, 400, -1]], [-1, 3, 15], atol=1e-12)
    np.testing.assert_allclose(np.diff(nodes)[[0, 399, 400, -1]], [0.01, 0.01, 0.1, 0.1])
    np.testing.assert_allclose(span.info(), [-1, 3, 15, 0.01, 0.1, -1], rtol=1e-15)


def test_ends_are_moved_out_to_whole_intervals():
    span = table_range(0, 2, step=0.3, extrapolate=2.5, dtype="float64")
    np.testing.assert_allclose(span.info()[:3], [0, 2.1, 5.1])
    assert (span.nfine, span.ncoarse) == (7, 1)
    with pytest.raises(ConfigError, match="it must be at least 1"):
        table_range(0, 2, step=0.3, extrapolate=0.5, dtype="float64")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("step", [0.0005, 0.001, 0.002, 0.008, 0.01, 1 / 15, 0.07, 0.3])
def test_the_ops_count_the_intervals_alike(dtype, step):
    """They round quotients down, in their own precision."""
    real = np.dtype(dtype).type
    for upper in (1, 2, 3, 7, 9, 30, 77):
        span = table_range(-2, upper, step=step, extrapolate=5, dtype=dtype)
        lower, upper, most, fine, coarse, _ = span.info().astype(dtype)
        assert int((upper - lower) / fine) == span.nfine
        assert int((np.nextafter(most, real(0)) - upper) / coarse) < span.ncoarse
        assert abs(float(fine) - step) <= 4 * np.finfo(real).eps * max(step, 1)
        assert most > 5 * upper - 20 * step
