"""The compiled product of matrices, and its derivatives."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from deepattn import ops
from deepattn.ops.loader import own_ops

pytestmark = pytest.mark.skipif(own_ops() is None, reason="the compiled ops are not there")

# m, n, k: one part of the result and several, whole panels, vectors and tiles and not.
SIZES = [
    *[(1, 1, 1), (7, 5, 3), (97, 24, 129), (33, 240, 100), (200, 256, 64), (5, 1, 240)],
    *[(64, 101, 300), (0, 4, 3), (4, 0, 3), (4, 3, 0)],
]
TRANSPOSED = list(itertools.product([False, True], repeat=2))


def draw(m, n, k, dtype, *, transpose_a=False, transpose_b=False):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(m, k)), rng.normal(size=(k, n))
    stored = (a.T if transpose_a else a, b.T if transpose_b else b)
    return [tf.constant(np.ascontiguousarray(x), dtype) for x in stored]


def assert_product(result, a, b):
    """To a few roundings of the sum of the products' sizes, which hold in whatever order."""
    exact = a.astype(np.longdouble) @ b.astype(np.longdouble)
    allowed = 4 * np.finfo(result.dtype.as_numpy_dtype).eps * (np.abs(a) @ np.abs(b))
    assert result.shape == exact.shape
    assert np.all(np.abs(result.numpy() - exact) <= allowed)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("transpose_a", "transpose_b"), TRANSPOSED)
@pytest.mark.parametrize("size", SIZES)
def test_is_the_product(instruction_set, size, transpose_a, transpose_b, dtype):
    turned = {"transpose_a": transpose_a, "transpose_b": transpose_b}
    a, b = draw(*size, dtype, **turned)
    plain = a.numpy().T if transpose_a else a.numpy(), b.numpy().T if transpose_b else b.numpy()
    assert_product(own_ops().deepattn_product(a, b, **turned), *plain)


@pytest.mark.parametrize(("transpose_a", "transpose_b"), TRANSPOSED)
def test_derivatives(transpose_a, transpose_b):
    turned = {"transpose_a": transpose_a, "transpose_b": transpose_b}
    sources = draw(9, 25, 31, "float64", **turned)

    def gradients(product):
        with tf.GradientTape() as outer:
            outer.watch(sources)
            with tf.GradientTape() as inner:
                inner.watch(sources)
                value = tf.reduce_sum(tf.sin(product(*sources, **turned)))
            first = inner.gradient(value, sources)
            total = tf.add_n([tf.reduce_sum(g * g) for g in first])
        return [*first, *outer.gradient(total, sources)]

    for ours, theirs in zip(
        gradients(own_ops().deepattn_product), gradients(tf.matmul), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-13 * np.abs(theirs).max())


def test_misaligned_rows():
    """Rows of a tensor that begin in the middle of a vector."""
    a, b = draw(6, 16, 40, "float64")
    rest = tf.concat([tf.zeros([1], b.dtype), tf.reshape(b, [-1])], axis=0)[1:]
    assert_product(ops.product(a, tf.reshape(rest, [40, 16])), a.numpy(), b.numpy())


def test_other_arguments_are_tensorflows():
    a, b = draw(3, 4, 5, "float64")
    batch = tf.stack([a, 2 * a])
    np.testing.assert_array_equal(ops.product(batch, b), tf.matmul(batch, b))
    half = [tf.cast(x, tf.bfloat16) for x in (a, b)]
    np.testing.assert_array_equal(
        tf.cast(ops.product(*half), tf.float32), tf.cast(tf.matmul(*half), tf.float32)
    )


@pytest.mark.parametrize(("transpose_a", "transpose_b"), TRANSPOSED)
def test_shapes_that_do_not_fit(transpose_a, transpose_b):
    op = own_ops().deepattn_product
    with pytest.raises(tf.errors.InvalidArgumentError, match="b must have the shape"):
        op(tf.ones([3, 3]), tf.ones([4, 4]), transpose_a=transpose_a, transpose_b=transpose_b)
    with pytest.raises(tf.errors.InvalidArgumentError, match="a must have the shape"):
        op(tf.ones([3]), tf.ones([3, 3]), transpose_a=transpose_a, transpose_b=transpose_b)
    with pytest.raises(tf.errors.InvalidArgumentError, match="b must have the shape"):
        op(tf.ones([3, 3]), tf.ones([3]), transpose_a=transpose_a, transpose_b=transpose_b)
