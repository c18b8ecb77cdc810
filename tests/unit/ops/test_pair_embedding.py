"""The pair embedding as a compiled op: equal to its reference, with both derivatives."""

import itertools
from functools import partial

import numpy as np
import pytest
import tensorflow as tf

from deepattn import ops
from deepattn.ops import DenseLayer, PairScale, PairVectors, reference
from deepattn.ops.loader import own_ops

from .derivatives import assert_as_exact, assert_equal, values_and_gradients

pytestmark = pytest.mark.skipif(own_ops() is None, reason="the compiled ops are not there")

# Equal, doubling and other widths; whole vectors and not.
NETS = {"one": (1, 25, 50, 100), "wide": (17, 17, 3), "single": (2, 5)}
CASES = list(itertools.product(NETS, [0, 1, 31, 70], [True, False], [True, False]))


def draw(net, nrows, scaled, steps, dtype, seed=0, offsets=0):
    """Inputs of the op, in its order, the layers as three lists."""
    rng = np.random.default_rng(seed)
    widths = NETS[net]
    pairs = list(itertools.pairwise(widths))

    def tensor(*shape):
        return tf.constant(rng.normal(scale=0.7, size=shape), dtype)

    matrices = [tensor(*pair) for pair in pairs]
    biases = [tensor(out) for _, out in pairs]
    times = [tensor(out) if steps and out in (n, 2 * n) else tensor(0) for n, out in pairs]
    count = 3 if scaled else 0
    if offsets:
        matrices[0] = tensor(widths[0] + offsets, widths[1])
    index = tf.constant(rng.integers(0, 3, nrows if scaled or offsets else 0), tf.int32)
    weight = tensor(nrows if scaled else 0)
    return [
        *(tensor(nrows, widths[0]), weight, index, tensor(count, widths[-1])),
        *(matrices, biases, times),
    ]


def flat(inputs):
    return [*inputs[:4], *inputs[4], *inputs[5], *inputs[6]]


def both(inputs, **options):
    """Values and all first and second gradients: of the op, of its reference."""
    everything = flat(inputs)
    sources = [x for k, x in enumerate(everything) if k != 2]
    count = len(inputs[4])

    def compiled(*x):
        layers = [list(x[4 + k * count : 4 + (k + 1) * count]) for k in range(3)]
        return own_ops().deepattn_pair_embedding(*x[:4], *layers, **options)

    return [
        values_and_gradients(function, everything, everything[:2], sources[2:])
        for function in (compiled, partial(reference.pair_embedding, **options))
    ]


@pytest.mark.parametrize(("net", "nrows", "scaled", "steps"), CASES)
def test_equals_its_reference(net, nrows, scaled, steps):
    assert_equal(*both(draw(net, nrows, scaled, steps, "float64")))


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize(("nrows", "scaled", "steps"), [(0, False, False), (70, True, True)])
def test_offsets_equal_their_reference(net, nrows, scaled, steps):
    inputs = draw(net, nrows, scaled, steps, "float64", offsets=3)
    assert_equal(*both(inputs, offsets=True))


@pytest.mark.parametrize("units", [5, 8, 16])
def test_vectors_continue_the_rows(units):
    """Also those of a layer that adds its whole input to its result."""
    rng = np.random.default_rng(0)

    def tensor(*shape):
        return tf.constant(rng.normal(size=shape), "float64")

    rows, table = tensor(50, 1), tensor(4, 7)
    index = tf.constant(rng.integers(0, 4, 50), tf.int32)
    layers = [DenseLayer(tensor(8, units), tensor(units), None)]

    def continued(rows, table):
        return ops.pair_embedding(rows, layers, vectors=PairVectors(index, table))

    def concatenated(rows, table):
        return ops.pair_embedding(tf.concat([rows, tf.gather(table, index)], axis=1), layers)

    assert_equal(
        *(
            values_and_gradients(f, [rows, table], [rows], [table])
            for f in (continued, concatenated)
        )
    )
    with pytest.raises(ValueError, match="scale and vectors are both given"):
        ops.pair_embedding(
            rows, layers, vectors=PairVectors(index, table), scale=PairScale(None, index, table)
        )


@pytest.mark.parametrize("net", NETS)
def test_float32_is_as_exact_as_its_reference(net):
    inputs = draw(net, 70, True, True, "float32")
    exact = [tf.nest.map_structure(lambda x: tf.cast(x, "float64"), x) for x in inputs]
    exact[2] = inputs[2]
    assert_as_exact(*both(inputs), both(exact)[1])


def test_tanh_is_exact_where_it_is_small_and_where_it_is_one():
    x = np.concatenate([[0.0, 1e-300, 1e-9, -1e-5], np.linspace(-25, 25, 2001), [1e3, -np.inf]])
    layer = DenseLayer(tf.ones([1, 3], "float64"), tf.zeros([3], "float64"), None)
    value = ops.pair_embedding(tf.constant(x[:, None]), [layer]).numpy()[:, 0]
    np.testing.assert_allclose(value, np.tanh(x), rtol=1e-15)
    assert np.isnan(ops.pair_embedding(tf.constant([[np.nan]], "float64"), [layer])).all()


def test_gradients_by_parameters_do_not_depend_on_threads():
    *inputs, steps = draw("one", 3000, True, False, "float32")
    grad = tf.ones([3000, 100])
    runs = [own_ops().deepattn_pair_embedding_full_grad(*inputs, steps, grad) for _ in range(5)]
    for run in runs[1:]:
        for one, other in zip(
            tf.nest.flatten(list(runs[0])), tf.nest.flatten(list(run)), strict=True
        ):
            np.testing.assert_array_equal(one, other)


def test_third_derivatives_are_those_of_the_reference():
    x = tf.constant([[0.3], [-0.8]], tf.float64)
    layer = DenseLayer(tf.constant([[1.0, 2.0]], tf.float64), tf.zeros([2], tf.float64), None)
    values = []
    for portable in (False, True):
        with tf.GradientTape() as t3:
            t3.watch(x)
            with tf.GradientTape() as t2:
                t2.watch(x)
                with tf.GradientTape() as t1:
                    t1.watch(x)
                    y = (
                        reference.pair_embedding(
                            x, None, None, tf.zeros([0, 2]), *layer[:2], x[:0, 0]
                        )
                        if portable
                        else ops.pair_embedding(x, [layer])
                    )
                first = t1.gradient(y, x)
            second = t2.gradient(first, x)
        values.append(t3.gradient(second, x).numpy())
    np.testing.assert_allclose(values[0], values[1], rtol=1e-12)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (0, tf.zeros([7, 3], "float64"), r"a matrix must have the shape \[3, \?\]"),
        (1, tf.zeros([6], "float64"), r"weight must have the shape \[7\]"),
        (2, tf.fill([7], 3), "index of row 0 is 3, but there are 3 factors"),
        (3, tf.zeros([3, 4], "float64"), r"factors must have the shape \[\?, 5\]"),
    ],
)
def test_what_does_not_fit_is_named(place, value, message):
    inputs = draw("single", 7, True, False, "float64")
    inputs[place] = value
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        own_ops().deepattn_pair_embedding(*inputs)


def test_no_scale_and_no_weight():
    rows, _, index, factors, *lists = draw("one", 9, True, False, "float64")
    layers = [DenseLayer(m, b, None) for m, b in zip(*lists[:2], strict=True)]
    plain = ops.pair_embedding(rows, layers)
    scaled = ops.pair_embedding(rows, layers, scale=PairScale(None, index, factors))
    np.testing.assert_allclose(scaled, plain * (1 + tf.gather(factors, index)), rtol=1e-14)
