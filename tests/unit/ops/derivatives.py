"""Values and derivatives of a compiled op and of its reference implementation."""

import numpy as np
import tensorflow as tf


def values_and_gradients(function, everything, firsts, others, live=None):
    """Results of ``function``, first gradients by ``firsts``, second ones by ``others`` too.

    Second gradients are those of a loss that has all results and first gradients in it. All are
    contracted with the same random numbers in every call. ``live``: which numbers of each of
    ``firsts`` are looked at; all by default.
    """
    rng = np.random.default_rng(1)

    def contracted(tensors):
        return tf.add_n(
            [tf.reduce_sum(x * tf.constant(rng.normal(size=x.shape), x.dtype)) for x in tensors]
        )

    def counted(gradients):
        if live is None:
            return gradients
        return [
            x * tf.constant(np.broadcast_to(m, x.shape), x.dtype)
            for x, m in zip(gradients, live, strict=True)
        ]

    sources = [*firsts, *others]
    with tf.GradientTape() as outer:
        outer.watch(sources)
        with tf.GradientTape(watch_accessed_variables=False) as inner:
            inner.watch(firsts)
            values = tf.nest.flatten(function(*everything))
            loss = contracted(values)
        first = inner.gradient(loss, firsts, unconnected_gradients="zero")
        first = counted([tf.convert_to_tensor(x) for x in first])
        total = loss + contracted(first)
    second = outer.gradient(total, sources, unconnected_gradients="zero")
    second = [tf.convert_to_tensor(x) for x in second]
    second = [*counted(second[: len(firsts)]), *second[len(firsts) :]]
    return [np.asarray(x, np.float64) for x in (*values, *first, *second)]


def scale(x):
    """What differences are compared with."""
    return max(1.0, abs(x).max(initial=0.0))


def assert_equal(compiled, plain, exactness=1e-12):
    """All arrays are equal, each for its largest number."""
    for one, other in zip(compiled, plain, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=exactness * scale(other))


def assert_as_exact(compiled, plain, exact):
    """Arrays in single precision are as near to exact ones as their reference's."""
    for k, (one, other, value) in enumerate(zip(compiled, plain, exact, strict=True)):
        allowed = (2 if k == 0 else 3) * abs(other - value).max(initial=0) + 1e-6 * scale(value)
        assert abs(one - value).max(initial=0) <= allowed


def third_derivatives(function, x):
    """Of the sum of a function's results by ``x``, contracted twice with first ones."""
    with tf.GradientTape() as t3:
        t3.watch(x)
        with tf.GradientTape() as t2:
            t2.watch(x)
            with tf.GradientTape() as t1:
                t1.watch(x)
                value = tf.add_n([tf.reduce_sum(y) for y in tf.nest.flatten(function(x))])
            # Dense, where looking up gave slices.
            first = tf.convert_to_tensor(t1.gradient(value, x))
            square = tf.reduce_sum(first * first)
        second = tf.convert_to_tensor(t2.gradient(square, x))
        total = tf.reduce_sum(second * second)
    return tf.convert_to_tensor(t3.gradient(total, x)).numpy()
