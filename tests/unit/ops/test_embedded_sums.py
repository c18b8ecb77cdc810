"""Sums of an embedding as compiled ops: equal to their reference, with both derivatives."""

import contextlib
import itertools

import numpy as np
import pytest
import tensorflow as tf

from deepattn import ops
from deepattn.ops import DenseLayer
from deepattn.ops.loader import cpu_ops

from .derivatives import (
    assert_as_exact,
    assert_equal,
    third_derivatives,
    values_and_gradients,
)

pytestmark = pytest.mark.skipif(cpu_ops() is None, reason="the compiled ops are not there")

SUMS = {"angles": ops.angle_sums, "contraction": ops.embedded_contraction}
KINDS, VECTOR = 3, 4
# Doubling, equal and other widths; whole vectors and not.
NETS = {"doubling": (2, 4, 8), "equal": (5, 5), "wide": (20,)}
# Few rows of the net, one block of 48 and more of them; atoms of one unit and of several.
SIZES = [(4, 3), (2, 9), (7, 17)]
BOTH = pytest.mark.parametrize("kind", SUMS)
BY_TYPES = pytest.mark.parametrize("by_types", ["factors", "vectors"])


def draw(kind, net, natoms=3, nnei=9, by_types="factors", dtype="float64", steps=True):
    """Arguments of a sum by name, the layers as a list of tensors.

    Some rows are 0; the last three of another atom are the same, as those of empty slots are.
    """
    rng = np.random.default_rng(0)

    def tensor(*shape):
        return tf.constant(rng.normal(scale=0.7, size=shape), dtype)

    widths = (1 if by_types == "factors" else 1 + VECTOR, *NETS[net])
    rows = rng.normal(scale=0.7, size=(natoms, nnei, 3 if kind == "angles" else 4))
    rows[0, 1] = 0.0
    rows[1, 2:] = 0.0
    index = rng.integers(0, KINDS, [natoms, nnei])
    weight = rng.uniform(0.1, 1.0, [natoms, nnei])
    for array in (rows, index, weight):
        array[-1, -3:] = array[-1, -1]
    layers = []
    for width, units in itertools.pairwise(widths):
        layers += [tensor(width, units), tensor(units), tensor(units) if steps else None]
    arguments = {
        "kind": kind,
        "rows": tf.constant(rows, dtype),
        "index": tf.constant(index, tf.int32),
        "layers": layers,
        "times": tf.constant([1.0] * (nnei - 1) + [4.0], dtype),
    }
    number = KINDS**2 if kind == "angles" else KINDS
    if by_types == "factors":
        arguments["weight"] = tf.constant(weight, dtype)
        arguments["factors"] = tensor(number, widths[-1])
    else:
        arguments["vectors"] = tensor(number, VECTOR)
    return arguments


def call(kind, rows, index, layers, **arguments):
    layers = [DenseLayer(*layers[k : k + 3]) for k in range(0, len(layers), 3)]
    return SUMS[kind](rows, index, layers, **arguments)


def results_of(arguments, *, plain):
    """Without gradients by what belongs to rows of 0, which the compiled op has not."""
    live = np.any(arguments["rows"].numpy() != 0, axis=2)
    firsts = ["rows"] + ["weight"] * ("weight" in arguments)
    others = [name for name in ("factors", "vectors") if name in arguments]
    layers = arguments["layers"]
    places = [k for k, weight in enumerate(layers) if weight is not None]

    def function(*values):
        given = dict(zip([*firsts, *others], values, strict=False))
        changed = list(layers)
        for k, value in zip(places, values[len(given) :], strict=True):
            changed[k] = value
        return call(**{**arguments, **given, "layers": changed})

    first, second = ([arguments[name] for name in names] for names in (firsts, others))
    second += [layers[k] for k in places]
    masks = [live[:, :, None], live][: len(firsts)]
    with ops.plain() if plain else contextlib.nullcontext():
        return values_and_gradients(function, [*first, *second], first, second, masks)


@BOTH
@BY_TYPES
@pytest.mark.parametrize(
    ("net", "size", "steps"),
    [*itertools.product(NETS, SIZES[1:2], [True]), *(("doubling", size, False) for size in SIZES)],
)
def test_equal_their_reference(kind, net, size, steps, by_types):
    arguments = draw(kind, net, *size, by_types, steps=steps)
    compiled, plain = (results_of(arguments, plain=plain) for plain in (False, True))
    assert np.abs(compiled[0]).max() > 0.1
    assert_equal(compiled, plain)


@BOTH
@BY_TYPES
def test_float32_is_as_exact_as_its_reference(kind, by_types):
    arguments = draw(kind, "doubling", by_types=by_types, dtype="float32")
    exact = {
        name: tf.cast(value, "float64") if isinstance(value, tf.Tensor) else value
        for name, value in arguments.items()
    }
    exact["index"] = arguments["index"]
    exact["layers"] = [tf.cast(x, "float64") for x in arguments["layers"]]
    assert_as_exact(
        results_of(arguments, plain=False),
        results_of(arguments, plain=True),
        results_of(exact, plain=True),
    )


@BOTH
def test_formula(kind):
    arguments = draw(kind, "doubling", by_types="vectors", steps=False)
    rows, index, times, vectors = (
        arguments[name].numpy() for name in ("rows", "index", "times", "vectors")
    )
    layers = [x if x is None else x.numpy() for x in arguments["layers"]]

    def net(x, row):
        x = np.tanh([x, *vectors[row]] @ layers[0] + layers[1])
        for k in (3, 6):
            x = np.tile(x, 2) + np.tanh(x @ layers[k] + layers[k + 1])
        return x

    expected = []
    for of_atom, kinds in zip(rows, index, strict=True):
        slots = range(len(of_atom))
        if kind == "contraction":
            parts = [times[k] * np.outer(of_atom[k], net(of_atom[k, 0], kinds[k])) for k in slots]
        else:
            parts = []
            for k, m in itertools.product(slots, repeat=2):
                c = of_atom[k] @ of_atom[m]
                parts.append(times[k] * times[m] * c * net(c, kinds[k] * KINDS + kinds[m]))
        expected.append(sum(parts))
    np.testing.assert_allclose(call(**arguments), expected, rtol=1e-12, atol=1e-12)


@BOTH
@BY_TYPES
def test_the_order_of_slots_does_not_matter(kind, by_types):
    arguments = draw(kind, "doubling", by_types=by_types)
    arguments["times"] = None
    order = np.random.default_rng(1).permutation(9)
    turned = {
        name: tf.gather(value, order, axis=1) if name in ("rows", "index", "weight") else value
        for name, value in arguments.items()
    }
    np.testing.assert_allclose(call(**turned), call(**arguments), rtol=1e-13, atol=1e-13)


@BOTH
def test_gradients_do_not_depend_on_threads(kind):
    arguments = draw(kind, "doubling", natoms=200, nnei=17, dtype="float32")
    sources = [arguments["rows"], arguments["factors"], arguments["layers"][0]]
    runs = []
    for _ in range(4):
        with tf.GradientTape() as tape:
            tape.watch(sources)
            value = tf.reduce_sum(call(**arguments) ** 2)
        runs.append(tape.gradient(value, sources))
    for run in runs[1:]:
        for one, other in zip(runs[0], run, strict=True):
            np.testing.assert_array_equal(one, other)


@BOTH
@BY_TYPES
def test_third_derivatives_are_those_of_the_reference(kind, by_types):
    arguments = draw(kind, "equal", natoms=2, nnei=4, by_types=by_types)
    # The reference has gradients by rows of 0 too.
    rows = tf.where(arguments["rows"] == 0.0, 0.3, arguments["rows"])

    def squares(x):
        return call(**{**arguments, "rows": x}) ** 2

    compiled = third_derivatives(squares, rows)
    with ops.plain():
        plain = third_derivatives(squares, rows)
    assert_equal([compiled], [plain], exactness=1e-11)


@BOTH
@BY_TYPES
def test_no_atoms_and_no_neighbors_give_nothing(kind, by_types):
    arguments = draw(kind, "doubling", by_types=by_types)
    shape = call(**arguments).shape[1:]
    none = {
        name: value[:0] if name in ("rows", "index", "weight") else value
        for name, value in arguments.items()
    }
    assert call(**none).shape == (0, *shape)
    alone = {**arguments, "rows": tf.zeros_like(arguments["rows"])}
    np.testing.assert_array_equal(call(**alone), np.zeros([3, *shape]))


@BOTH
def test_what_is_not_a_number_stays_so(kind):
    arguments = draw(kind, "doubling")
    rows = arguments["rows"].numpy()
    rows[2, 3, 0] = np.nan
    result = call(**{**arguments, "rows": tf.constant(rows)}).numpy()
    assert np.isnan(result[2]).any() and np.isfinite(result[:2]).all()


@BOTH
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("rows", tf.zeros([3, 9, 5], "float64"), "rows must have"),
        ("index", tf.fill([3, 9], 9), "index of slot 0 of atom 0 is 9, but there are 3"),
        ("index", tf.fill([3, 9], -1), "index of slot 0 of atom 0 is -1"),
        ("weight", tf.zeros([3, 8], "float64"), "weight"),
        ("times", tf.zeros([8], "float64"), "times"),
    ],
)
def test_shapes_must_fit(kind, name, value, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        call(**{**draw(kind, "doubling"), name: value})


def test_every_pair_of_types_has_factors():
    arguments = draw("angles", "doubling")
    arguments["factors"] = arguments["factors"][:8]
    with pytest.raises(tf.errors.InvalidArgumentError, match="each pair of types, but there are 8"):
        call(**arguments)


@BOTH
def test_there_must_be_factors_or_vectors(kind):
    arguments = draw(kind, "doubling")
    for wrong in ({"factors": None}, {"vectors": tf.zeros([9, 4], "float64")}):
        with pytest.raises(ValueError, match="either factors or vectors"):
            call(**{**arguments, **wrong})
