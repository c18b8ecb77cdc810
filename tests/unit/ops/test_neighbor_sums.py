"""Sums over neighbors as a compiled op: equal to their reference, with both derivatives."""

import contextlib
import itertools

import numpy as np
import pytest
import tensorflow as tf

from deepattn import ops
from deepattn.ops.loader import own_ops

from .derivatives import (
    assert_as_exact,
    assert_equal,
    third_derivatives,
    values_and_gradients,
)

pytestmark = pytest.mark.skipif(own_ops() is None, reason="the compiled ops are not there")

ATOMS, SLOTS, ROWS = 6, 7, 5
# Whole vectors and not.
WIDTHS = (32, 5, 1)
# Whether there are an index, factors and vectors.
KINDS = [kind for kind in itertools.product((True, False), repeat=3) if any(kind[1:])]


def draw(width, indexed, convolves, turns, dtype="float64", columns=3):
    """Arguments of `ops.neighbor_sums` by name."""
    rng = np.random.default_rng(0)

    def tensor(*shape):
        return tf.constant(rng.normal(scale=0.7, size=shape), dtype)

    weight = rng.uniform(0.1, 1.0, [ATOMS, SLOTS])
    weight[0] = 0.0
    weight[1, 2:4] = 0.0
    weight[2, 5:] = 0.0
    return {
        "features": tensor(ROWS if indexed else ATOMS * SLOTS, width),
        "weight": tf.constant(weight, dtype),
        "factors": tensor(ATOMS, SLOTS, width) if convolves else None,
        "vectors": tensor(ATOMS, SLOTS, columns) if turns else None,
        "index": tf.constant(rng.integers(0, ROWS, [ATOMS, SLOTS]), tf.int32) if indexed else None,
    }


def results_of(arguments, *, plain):
    """Without gradients by what belongs to slots of weight 0, which the compiled op has not."""
    index = arguments["index"]
    given = {k: v for k, v in arguments.items() if v is not None and k != "index"}
    live = arguments["weight"].numpy()[:, :, None] != 0
    masks = {"weight": live[:, :, 0], "factors": live, "vectors": live}
    if index is None:
        masks["features"] = live.reshape(-1, 1)

    def function(*values):
        sums = ops.neighbor_sums(**dict(zip(given, values, strict=True)), index=index)
        return [x for x in sums if x is not None]

    values = list(given.values())
    with ops.plain() if plain else contextlib.nullcontext():
        return values_and_gradients(
            function, values, values, [], [masks.get(name, 1.0) for name in given]
        )


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(("indexed", "convolves", "turns"), KINDS)
def test_equal_their_reference(width, indexed, convolves, turns):
    arguments = draw(width, indexed, convolves, turns)
    compiled, plain = (results_of(arguments, plain=plain) for plain in (False, True))
    assert len(compiled) == len(plain) > 4
    assert_equal(compiled, plain)


@pytest.mark.parametrize("columns", [1, 2, 4])
@pytest.mark.parametrize("convolves", [True, False])
def test_vectors_have_up_to_four_columns(columns, convolves):
    arguments = draw(5, False, convolves, True, columns=columns)
    assert_equal(*(results_of(arguments, plain=plain) for plain in (False, True)))


def test_float32_is_as_exact_as_its_reference():
    arguments = draw(5, True, True, True, "float32")
    exact = {k: v if k == "index" else tf.cast(v, "float64") for k, v in arguments.items()}
    assert_as_exact(
        results_of(arguments, plain=False),
        results_of(arguments, plain=True),
        results_of(exact, plain=True),
    )


def test_formula():
    arguments = draw(5, True, True, True)
    f, w, factors, h, index = (np.asarray(x) for x in arguments.values())
    sums = ops.neighbor_sums(**arguments)
    rows = f[index]
    np.testing.assert_allclose(
        sums.convolution, np.einsum("nk,nkc,nkc->nc", w, rows, factors), rtol=1e-13
    )
    np.testing.assert_allclose(
        sums.moments, np.einsum("nk,nkx,nkc->nxc", w, h, rows), rtol=1e-12, atol=1e-14
    )


def test_gradients_do_not_depend_on_threads():
    arguments = draw(32, True, True, True, "float32")
    more = {k: tf.concat([v] * 100, axis=0) for k, v in arguments.items() if k != "features"}
    inputs = (arguments["features"], *(more[k] for k in ("index", "weight", "factors", "vectors")))
    grads = tf.ones([600, 32]), tf.ones([600, 3, 32])
    runs = [own_ops().deepattn_neighbor_sums_grad(*inputs, *grads) for _ in range(5)]
    for run in runs[1:]:
        for one, other in zip(runs[0], run, strict=True):
            np.testing.assert_array_equal(one, other)


def test_third_derivatives_are_those_of_the_reference():
    arguments = draw(5, True, True, True)
    features = arguments.pop("features")

    def squares(x):
        # Sums are linear: of their squares there are more derivatives.
        return [y * y for y in ops.neighbor_sums(x, **arguments)]

    compiled = third_derivatives(squares, features)
    with ops.plain():
        plain = third_derivatives(squares, features)
    assert_equal([compiled], [plain])


def test_no_atoms_give_nothing():
    sums = ops.neighbor_sums(
        tf.zeros([0, 4], "float64"),
        tf.zeros([0, 3], "float64"),
        index=tf.zeros([0, 3], tf.int32),
        vectors=tf.zeros([0, 3, 3], "float64"),
    )
    assert sums.convolution is None
    assert sums.moments.shape == (0, 3, 4)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("weight", tf.zeros([6], "float64"), "weight"),
        ("index", tf.fill([6, 7], 5), "index of slot 0 of atom 0 is 5, but there are 5 rows"),
        ("index", tf.fill([6, 7], -1), "index of slot 0 of atom 0 is -1"),
        ("index", None, "a row of features for each of 42 slots, not 5"),
        ("factors", tf.zeros([6, 7, 4], "float64"), "factors"),
        ("vectors", tf.zeros([6, 6, 3], "float64"), "vectors"),
        ("vectors", tf.zeros([6, 7, 5], "float64"), "1 to 4 columns, not 5"),
    ],
)
def test_shapes_must_fit(name, value, message):
    arguments = draw(5, True, True, True)
    arguments[name] = value
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        ops.neighbor_sums(**arguments)


def test_there_must_be_something_to_sum():
    with pytest.raises(ValueError, match="factors and vectors are both None"):
        ops.neighbor_sums(**draw(5, True, False, False))
