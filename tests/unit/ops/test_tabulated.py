"""The ops over tables of our own names: equal to their reference, with both derivatives."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from deepattn.ops import loader, reference, tabulated

from .tabulated_cases import NATOMS, NINTERVALS, NNEI, draw, stock_case

pytestmark = pytest.mark.usefixtures("compiled")

KINDS = ["embedding", "contraction"]


def both(kind, inputs, width):
    """Values and all first and second gradients: of the op, of its reference."""
    inputs = inputs if kind == "contraction" else inputs[:-1]
    sources = [x for k, x in enumerate(inputs) if k in (2, 3, 6)]
    compiled = getattr(loader.own_ops(), f"deepattn_tabulated_{kind}")
    results = []
    for function in (compiled, getattr(reference, f"tabulated_{kind}")):
        rng = np.random.default_rng(1)

        def weigh(x, rng=rng):
            return tf.reduce_sum(tf.sin(x) * tf.constant(rng.normal(size=x.shape), x.dtype))

        with tf.GradientTape() as outer:
            outer.watch(sources)
            with tf.GradientTape() as inner:
                inner.watch(sources)
                value = function(*inputs, width=width)
                loss = weigh(value)
            first = inner.gradient(loss, sources, unconnected_gradients="zero")
            total = tf.add_n([weigh(x) for x in first])
        second = outer.gradient(total, sources, unconnected_gradients="zero")
        results.append([np.asarray(x, np.float64) for x in (value, *first, *second)])
    return results


CASES = [
    case
    for case in itertools.product(KINDS, [1, 5, 16, 100], [(1, 0), (1, 3), (3, 0)], [True, False])
    if case[2][1] or not case[3]
]


@pytest.mark.parametrize(("kind", "width", "counts", "weighted"), CASES)
def test_equals_its_reference(instruction_set, kind, width, counts, weighted):
    for compiled, plain in zip(*both(kind, draw(width, *counts, weighted), width), strict=True):
        scale = max(1.0, abs(plain).max(initial=0.0))
        np.testing.assert_allclose(compiled, plain, rtol=0, atol=1e-12 * scale)


@pytest.mark.parametrize("kind", KINDS)
def test_float32_is_as_exact_as_its_reference(instruction_set, kind):
    """Errors against float64 of the same numbers, over several random cases."""
    errors = np.zeros(2)
    for seed in range(3):
        inputs = draw(100, 1, 3, True, "float32", seed)
        inputs[1] = tf.constant([-1.5, 1, 11, 0.125, 1, -1], "float32")  # sums are exact
        exact = [x if x.dtype == tf.int32 else tf.cast(x, "float64") for x in inputs]
        reference = both(kind, exact, 100)[1]
        for k, results in enumerate(both(kind, inputs, 100)):
            worst = [
                abs(x - y).max(initial=0) / max(1, abs(y).max(initial=0))
                for x, y in zip(results, reference, strict=True)
            ]
            errors[k] += max(worst)
    assert errors[0] <= 2 * errors[1] + 2 * np.finfo(np.float32).eps


@pytest.mark.parametrize("plain", [False, True])
def test_what_is_no_number_stays_so(plain):
    inputs = draw(5, 1, 0, False)
    rows = inputs[2].numpy()
    rows[1, 2] = np.nan
    inputs[2] = tf.constant(rows)
    compiled = loader.own_ops().deepattn_tabulated_embedding
    value = (reference.tabulated_embedding if plain else compiled)(*inputs[:-1], width=5).numpy()
    assert np.isnan(value[1, 2]).all()
    assert np.isnan(value).sum() == 5


@pytest.mark.parametrize("as_function", [False, True])
@pytest.mark.parametrize(("counts", "weighted"), [((1, 0), False), ((1, 3), True), ((3, 0), False)])
def test_blocks_of_atoms_equal_the_reference(monkeypatch, counts, weighted, as_function):
    """Without compiled ops the contraction goes through the atoms in blocks, here of two."""
    monkeypatch.setattr(tabulated, "_SLOTS_AT_ONCE", 2 * NNEI + 1)
    table, info, rows, weight, index, factors, matrix = draw(5, *counts, weighted)

    def whole(matrix, rows, weight=weight):
        inputs = (table, info, rows, weight, index, factors, matrix)
        return reference.tabulated_contraction(*inputs, width=5)

    def in_blocks(matrix, rows, weight=None):
        with loader.plain():
            return tabulated.tabulated_contraction(
                *(matrix, rows, weight, index), tabulated.Tables(table, info, factors), width=5
            )

    def derivatives(function, *sources):
        with tf.GradientTape() as outer:
            outer.watch(sources)
            with tf.GradientTape() as inner:
                inner.watch(sources)
                value = function(*sources)
                loss = tf.reduce_sum(tf.sin(value))
            first = inner.gradient(loss, sources)
            total = tf.add_n([tf.reduce_sum(tf.cos(x)) for x in first])
        return [value, *first, *outer.gradient(total, sources)]

    sources = [matrix, rows, *([weight] if weighted else [])]
    evaluate = tf.function(derivatives, autograph=False) if as_function else derivatives
    found, expected = evaluate(in_blocks, *sources), derivatives(whole, *sources)
    for one, other in zip(found, expected, strict=True):
        scale = max(1.0, abs(other.numpy()).max())
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-13 * scale)


def test_blocks_of_no_atoms_and_no_slots():
    table, info, *_ = draw(5, 1, 0, False)
    tables = tabulated.Tables(table, info, tf.zeros([0, 16], "float64"))
    for shape in ((0, 0), (3, 0), (0, 2)):
        rows, index = tf.zeros(shape, "float64"), tf.zeros(shape, "int32")
        matrix = tf.zeros([*shape, 4], "float64")
        with loader.plain(), tf.GradientTape() as tape:
            tape.watch(rows)
            value = tabulated.tabulated_contraction(matrix, rows, None, index, tables, width=5)
        np.testing.assert_array_equal(value, np.zeros((shape[0], 4, 5)))
        assert tape.gradient(value, rows).shape == shape


def test_no_atoms_and_no_slots():
    table, info, *_ = draw(5, 1, 0, False)
    empty = [tf.zeros([0], "float64"), tf.zeros([0, 0], "int32"), tf.zeros([0, 16], "float64")]
    ops = loader.own_ops()
    value = ops.deepattn_tabulated_contraction(
        *(table, info, tf.zeros([0, 0], "float64"), *empty, tf.zeros([0, 0, 4], "float64")), width=5
    )
    assert value.shape == (0, 4, 5)
    empty[1] = tf.zeros([3, 0], "int32")
    value = ops.deepattn_tabulated_contraction(
        *(table, info, tf.zeros([3, 0], "float64"), *empty, tf.zeros([3, 0, 4], "float64")), width=5
    )
    np.testing.assert_array_equal(value, np.zeros((3, 4, 5)))


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (0, tf.zeros([1, NINTERVALS, 6, 5], "float64"), "its rows a multiple of 16"),
        (0, tf.zeros([1, 19, 6, 16], "float64"), "19 rows, which do not fit its range"),
        (1, tf.constant([-1, 1, 11, 0, 1, -1], "float64"), "do not fit its range"),
        (1, tf.constant([-1, 1, 1e30, 0.1, 1, -1], "float64"), "do not fit its range"),
        (1, tf.constant([-1, 1, 11, 0.1, 2, -1], "float64"), "do not fit its range"),
        (1, tf.constant([-1, 1, np.nan, 0.1, 1, -1], "float64"), "do not fit its range"),
        (2, tf.zeros([NATOMS], "float64"), r"rows must have the shape \[\?, \?\]"),
        (3, tf.zeros([NATOMS, 1], "float64"), r"weight must have the shape \[5, 7\]"),
        (4, tf.fill([NATOMS, NNEI], 3), "index of slot 0 is 3, but there are 3 factors"),
        (4, tf.fill([NATOMS, NNEI], -1), "index of slot 0 is -1"),
        (5, tf.zeros([3, 5], "float64"), r"factors must have the shape \[\?, 16\]"),
        (6, tf.zeros([NATOMS, NNEI, 3], "float64"), r"matrix must have the shape \[5, 7, 4\]"),
    ],
)
def test_what_does_not_fit_is_named(place, value, message):
    inputs = draw(5, 1, 3, True)
    inputs[place] = value
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        loader.own_ops().deepattn_tabulated_contraction(*inputs, width=5)


def test_the_stock_op_has_both_derivatives_of_its_reference():
    table, info, *sources = stock_case(5, [NNEI] * NATOMS)
    stock = loader.compat_ops().tabulate_fusion_se_atten
    results = []
    for function, options in (
        (stock, {"is_sorted": False}),
        (reference.tabulate_fusion_se_atten, {}),
    ):
        with tf.GradientTape() as outer:
            outer.watch(sources)
            with tf.GradientTape() as inner:
                inner.watch(sources)
                value = function(table, info, *sources, last_layer_size=5, **options)
                loss = tf.reduce_sum(tf.sin(0.01 * value))
            first = inner.gradient(loss, sources)
            total = tf.add_n([tf.reduce_sum(tf.cos(x)) for x in first])
        results.append([value, *first, *outer.gradient(total, sources)])
    for compiled, plain in zip(*results, strict=True):
        scale = max(1.0, abs(plain.numpy()).max())
        np.testing.assert_allclose(compiled, plain, rtol=0, atol=1e-11 * scale)


def test_sorted_slots_count_as_often_as_they_are():
    """Of slots that are alike the first has the gradients of all, as in DeePMD-kit."""
    table, info, *sources = stock_case(5, [4, 7, 0, 6, 1])
    ops = loader.compat_ops()
    results = []
    for is_sorted in (True, False):
        options = {"is_sorted": is_sorted}
        value = ops.tabulate_fusion_se_atten(table, info, *sources, last_layer_size=5, **options)
        gradients = ops.tabulate_fusion_se_atten_grad(
            table, info, *sources, tf.cos(value), value, **options
        )
        sums = [tf.reduce_sum(tf.reshape(x, [NATOMS, NNEI, -1]), axis=1) for x in gradients]
        results.append([value, *sums])
    for ordered, plain in zip(*results, strict=True):
        scale = max(1.0, abs(plain.numpy()).max())
        np.testing.assert_allclose(ordered, plain, rtol=0, atol=1e-12 * scale)


def test_the_stock_op_without_factors():
    table, info, em_x, em, two = stock_case(5, [4, 7, 0, 6, 1])
    ops = loader.compat_ops()
    plain = ops.tabulate_fusion_se_a(table, info, em_x, em, last_layer_size=5)
    none = tf.zeros_like(two)
    expected = ops.tabulate_fusion_se_atten(table, info, em_x, em, none, last_layer_size=5)
    np.testing.assert_array_equal(plain, expected)
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"table must have the shape \[\?, 42\]"
    ):
        ops.tabulate_fusion_se_a(table, info, em_x, em, last_layer_size=7)
