"""The attention of pairs as a compiled op: equal to its reference, with both derivatives."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from deepattn import ops
from deepattn.ops import reference
from deepattn.ops.loader import own_ops

from .derivatives import (
    assert_as_exact,
    assert_equal,
    third_derivatives,
    values_and_gradients,
)

pytestmark = pytest.mark.skipif(own_ops() is None, reason="the compiled ops are not there")

# Slots, width and heads: whole vectors and not, and one slot only.
SHAPES = {"even": (16, 32, 4), "odd": (11, 5, 3), "one": (1, 1, 1)}
# By the number of neighbors of each atom, as a share of the slots.
SHARES = (1.0, 0.6, 0.0, 0.2)
CASES = list(itertools.product(SHAPES, (True, False), (True, False)))


def draw(shape, smooth, dtype="float64", seed=0):
    """Inputs of the op, in its order, of four atoms."""
    rng = np.random.default_rng(seed)
    nnei, width, heads = SHAPES[shape]
    count = np.ceil(np.array(SHARES) * nnei)
    weight = (np.arange(nnei) < count[:, None]) * 1.0
    if smooth:
        weight *= rng.uniform(0.1, 1.0, weight.shape)
    # An excluded neighbor among others.
    weight[0, nnei // 2] = 0.0 if nnei > 2 else 1.0

    def tensor(*size, scale=0.7):
        return tf.constant(rng.normal(scale=scale, size=size), dtype)

    return [
        *(tensor(4, nnei, width), tensor(4, nnei, 3), tf.constant(weight, dtype)),
        tf.constant(3.0, dtype),
        *(tensor(heads, width, width, scale=0.4), tensor(heads, width, width, scale=0.4)),
    ]


def results_of(function, inputs, **options):
    """Without gradients by weights that are 0, which the compiled op does not have."""
    live = [1.0, 1.0, inputs[2].numpy() != 0]
    return values_and_gradients(
        lambda *x: function(*x, **options), inputs, inputs[:3], inputs[4:], live
    )


@pytest.mark.parametrize(("shape", "smooth", "gate"), CASES)
def test_equals_its_reference(shape, smooth, gate):
    inputs = draw(shape, smooth)
    options = {"smooth": smooth, "gate": gate}
    compiled = results_of(own_ops().deepattn_pair_attention, inputs, **options)
    assert_equal(compiled, results_of(reference.pair_attention, inputs, **options))


@pytest.mark.parametrize("shape", ["even", "odd"])
def test_float32_is_as_exact_as_its_reference(shape):
    inputs = draw(shape, True, "float32")
    options = {"smooth": True, "gate": True}
    exact = [tf.cast(x, "float64") for x in inputs]
    assert_as_exact(
        results_of(own_ops().deepattn_pair_attention, inputs, **options),
        results_of(reference.pair_attention, inputs, **options),
        results_of(reference.pair_attention, exact, **options),
    )


@pytest.mark.parametrize("strength", [-1e3, 1e3])
@pytest.mark.parametrize("padding", [0.0, 4.0])
def test_scores_may_have_any_size(strength, padding):
    inputs = draw("odd", True)
    inputs[3] = tf.constant(padding, "float64")
    inputs[4] = strength * tf.eye(5, batch_shape=[3], dtype="float64")
    options = {"smooth": True, "gate": False}
    compiled = own_ops().deepattn_pair_attention(*inputs, **options).numpy()
    assert np.isfinite(compiled).all()
    np.testing.assert_allclose(
        compiled, reference.pair_attention(*inputs, **options), rtol=0, atol=1e-12
    )


def test_slots_that_are_not_stored_count():
    inputs = draw("odd", True)
    options = {"smooth": True, "gate": True}
    more = [tf.pad(x, [[0, 0], [0, 3], *[[0, 0]] * (len(x.shape) - 2)]) for x in inputs[:3]]
    stored = own_ops().deepattn_pair_attention(
        *more, tf.constant(0.0, "float64"), *inputs[4:], **options
    )
    counted = own_ops().deepattn_pair_attention(*inputs, **options)
    np.testing.assert_allclose(stored[:, :11], counted, rtol=0, atol=1e-14)
    assert not stored[:, 11:].numpy().any()


def test_gradients_by_parameters_do_not_depend_on_threads():
    inputs = draw("even", True, "float32")
    inputs[:3] = [tf.concat([x] * 200, axis=0) for x in inputs[:3]]
    grad = tf.ones_like(inputs[0])
    options = {"smooth": True, "gate": True}
    runs = [own_ops().deepattn_pair_attention_full_grad(*inputs, grad, **options) for _ in range(5)]
    for run in runs[1:]:
        for one, other in zip(runs[0], run, strict=True):
            np.testing.assert_array_equal(one, other)


def test_third_derivatives_are_those_of_the_reference():
    features, *others = draw("odd", True)
    options = {"smooth": True, "gate": True}
    compiled, plain = (
        third_derivatives(lambda x, f=function: f(x, *others, **options), features)
        for function in (own_ops().deepattn_pair_attention, reference.pair_attention)
    )
    assert_equal([compiled], [plain], 1e-11)


def test_graphs_of_stock_ops_have_the_reference():
    features, vectors, weight, padding, *matrices = draw("odd", True)
    options = {"smooth": True, "gate": True, "padding": padding}
    with ops.plain():
        plain = ops.pair_attention(features, vectors, weight, *matrices, **options)
    compiled = ops.pair_attention(features, vectors, weight, *matrices, **options)
    np.testing.assert_allclose(compiled, plain, rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (1, tf.zeros([4, 11, 2], "float64"), "vectors"),
        (2, tf.zeros([4, 10], "float64"), "weight"),
        (3, tf.constant(-1.0, "float64"), "padding is -1, but must not be negative"),
        (4, tf.zeros([3, 5, 4], "float64"), "score_matrix"),
        (4, tf.zeros([0, 5, 5], "float64"), "must be at least 1, not 5 and 0"),
        (5, tf.zeros([2, 5, 5], "float64"), "message_matrix"),
    ],
)
def test_shapes_must_fit(place, value, message):
    inputs = draw("odd", True)
    inputs[place] = value
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        own_ops().deepattn_pair_attention(*inputs, smooth=True, gate=True)
