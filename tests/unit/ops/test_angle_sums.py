"""Sums over angles as a compiled op: equal to their reference, with both derivatives."""

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

KINDS, COLUMNS = 3, 4
# Doubling, equal and other widths; whole vectors and not.
NETS = {"doubling": (2, 4, 8), "equal": (5, 5), "wide": (20,)}
# Few pairs, one block of 48 and more of them.
SIZES = [(4, 3), (2, 9), (3, 17)]


def draw(net, natoms=3, nnei=9, by_types="factors", dtype="float64", steps=True):
    """Arguments of `ops.angle_sums` by name, the layers as a list of tensors."""
    rng = np.random.default_rng(0)

    def tensor(*shape):
        return tf.constant(rng.normal(scale=0.7, size=shape), dtype)

    widths = (1 if by_types == "factors" else 1 + COLUMNS, *NETS[net])
    rows = rng.normal(scale=0.7, size=(natoms, nnei, 3))
    rows[0, 1] = 0.0
    rows[1, 2:] = 0.0
    layers = []
    for width, units in itertools.pairwise(widths):
        layers += [tensor(width, units), tensor(units)]
        layers += [tensor(units) if steps else None]
    arguments = {
        "rows": tf.constant(rows, dtype),
        "kind": tf.constant(rng.integers(0, KINDS, [natoms, nnei]), tf.int32),
        "layers": layers,
        "times": tf.constant([1.0] * (nnei - 1) + [4.0], dtype),
    }
    if by_types == "factors":
        arguments["weight"] = tf.constant(rng.uniform(0.1, 1.0, [natoms, nnei]), dtype)
        arguments["factors"] = tensor(KINDS**2, widths[-1])
    else:
        arguments["vectors"] = tensor(KINDS**2, COLUMNS)
    return arguments


def call(rows, kind, layers, **arguments):
    layers = [DenseLayer(*layers[k : k + 3]) for k in range(0, len(layers), 3)]
    return ops.angle_sums(rows, kind, layers, **arguments)


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


@pytest.mark.parametrize("by_types", ["factors", "vectors"])
@pytest.mark.parametrize(
    ("net", "size", "steps"),
    [*itertools.product(NETS, SIZES[1:2], [True]), *(("doubling", size, False) for size in SIZES)],
)
def test_equal_their_reference(net, size, steps, by_types):
    arguments = draw(net, *size, by_types, steps=steps)
    compiled, plain = (results_of(arguments, plain=plain) for plain in (False, True))
    assert np.abs(compiled[0]).max() > 0.1
    assert_equal(compiled, plain)


@pytest.mark.parametrize("by_types", ["factors", "vectors"])
def test_float32_is_as_exact_as_its_reference(by_types):
    arguments = draw("doubling", by_types=by_types, dtype="float32")
    layers = [tf.cast(x, "float64") for x in arguments["layers"]]
    exact = {k: tf.cast(v, "float64") for k, v in arguments.items() if k not in ("kind", "layers")}
    exact |= {"kind": arguments["kind"], "layers": layers}
    assert_as_exact(
        results_of(arguments, plain=False),
        results_of(arguments, plain=True),
        results_of(exact, plain=True),
    )


def test_formula():
    arguments = draw("doubling", by_types="vectors", steps=False)
    rows, kind, layers, times, vectors = (
        value if name == "layers" else value.numpy() for name, value in arguments.items()
    )
    (w1, b1), (w2, b2), (w3, b3) = [(layers[k].numpy(), layers[k + 1].numpy()) for k in (0, 3, 6)]
    expected = np.zeros([len(rows), 8])
    for atom, (of_atom, kinds) in enumerate(zip(rows, kind, strict=True)):
        for k, m in itertools.product(range(len(of_atom)), repeat=2):
            c = of_atom[k] @ of_atom[m]
            x = np.tanh([c, *vectors[kinds[k] * KINDS + kinds[m]]] @ w1 + b1)
            x = np.tile(x, 2) + np.tanh(x @ w2 + b2)
            x = np.tile(x, 2) + np.tanh(x @ w3 + b3)
            expected[atom] += times[k] * times[m] * c * x
    np.testing.assert_allclose(call(**arguments), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("by_types", ["factors", "vectors"])
def test_the_order_of_slots_does_not_matter(by_types):
    arguments = draw("doubling", by_types=by_types)
    arguments["times"] = None
    order = np.random.default_rng(1).permutation(9)
    turned = {
        name: tf.gather(value, order, axis=1) if name in ("rows", "kind", "weight") else value
        for name, value in arguments.items()
    }
    np.testing.assert_allclose(call(**turned), call(**arguments), rtol=1e-13, atol=1e-13)


def test_gradients_do_not_depend_on_threads():
    arguments = draw("doubling", natoms=200, nnei=17, by_types="factors", dtype="float32")
    runs = []
    for _ in range(4):
        with tf.GradientTape() as tape:
            tape.watch([arguments["rows"], arguments["factors"], arguments["layers"][0]])
            value = tf.reduce_sum(call(**arguments) ** 2)
        runs.append(
            tape.gradient(value, [arguments["rows"], arguments["factors"], arguments["layers"][0]])
        )
    for run in runs[1:]:
        for one, other in zip(runs[0], run, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("by_types", ["factors", "vectors"])
def test_third_derivatives_are_those_of_the_reference(by_types):
    arguments = draw("equal", natoms=2, nnei=4, by_types=by_types)
    # The reference has gradients by rows of 0 too.
    rows = tf.where(arguments["rows"] == 0.0, 0.3, arguments.pop("rows"))
    compiled = third_derivatives(lambda x: call(x, **arguments), rows)
    with ops.plain():
        plain = third_derivatives(lambda x: call(x, **arguments), rows)
    assert_equal([compiled], [plain], exactness=1e-11)


@pytest.mark.parametrize("by_types", ["factors", "vectors"])
def test_no_atoms_and_no_neighbors_give_nothing(by_types):
    arguments = draw("doubling", by_types=by_types)
    none = {name: arguments[name][:0] for name in ("rows", "kind")}
    if by_types == "factors":
        none["weight"] = arguments["weight"][:0]
    assert call(**{**arguments, **none}).shape == (0, 8)
    alone = {**arguments, "rows": tf.zeros_like(arguments["rows"])}
    np.testing.assert_array_equal(call(**alone), np.zeros([3, 8]))


def test_what_is_not_a_number_stays_so():
    arguments = draw("doubling")
    rows = arguments["rows"].numpy()
    rows[2, 3] = np.nan
    result = call(**{**arguments, "rows": tf.constant(rows)}).numpy()
    assert np.isnan(result[2]).all() and np.isfinite(result[:2]).all()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("rows", tf.zeros([3, 9, 4], "float64"), "rows"),
        ("kind", tf.fill([3, 9], 3), "type of slot 0 of atom 0 is 3, but there are 3 types"),
        ("kind", tf.fill([3, 9], -1), "type of slot 0 of atom 0 is -1"),
        ("weight", tf.zeros([3, 8], "float64"), "weight"),
        ("times", tf.zeros([8], "float64"), "times"),
        ("factors", tf.zeros([8, 8], "float64"), "each pair of types, but there are 8"),
    ],
)
def test_shapes_must_fit(name, value, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        call(**{**draw("doubling"), name: value})


def test_there_must_be_something_by_types():
    arguments = draw("doubling")
    with pytest.raises(ValueError, match="factors or vectors"):
        call(**{**arguments, "factors": None})
    with pytest.raises(ValueError, match="factors or vectors"):
        call(**arguments, vectors=tf.zeros([9, 4], "float64"))
