"""Compiled gated attention against its reference: values, gradients, gradients of gradients."""

import numpy as np
import pytest
import tensorflow as tf

from deepattn import ops
from deepattn.ops import loader, reference

from .attention_cases import (
    LN_EPS,
    OPTIONS,
    SIZES,
    compiled_attention,
    evaluate,
    make_case,
    reference_attention,
    worst_error,
)

pytestmark = pytest.mark.usefixtures("compiled")


def describe(options):
    return "-".join(name for name, on in options.items() if on) or "none"


each_option = pytest.mark.parametrize("options", OPTIONS, ids=describe)
each_size = pytest.mark.parametrize("size", SIZES)


@each_size
@each_option
def test_float64_equals_the_reference(instruction_set, options, size):
    case = make_case(size, smooth=options["smooth"])
    found = evaluate(compiled_attention, case, options)
    exact = evaluate(reference_attention, case, options)
    for kind, values in found.items():
        assert worst_error(values, exact[kind]) < 1e-12, kind


@pytest.mark.parametrize("size", ["odd", "many"])
@each_option
def test_float32_is_as_exact_as_the_reference(instruction_set, options, size):
    """Errors against float64, over several random cases, in units of the largest number."""
    allowed = {"value": 2, "full gradient": 3, "gradient": 3, "second": 3}
    errors = {kind: np.zeros(2) for kind in allowed}
    for seed in range(3):
        case = make_case(size, smooth=options["smooth"], seed=seed)
        exact = evaluate(reference_attention, case, options)
        for k, attention in enumerate((compiled_attention, reference_attention)):
            for kind, values in evaluate(attention, case, options, tf.float32).items():
                errors[kind][k] += worst_error(values, exact[kind])
    for kind, factor in allowed.items():
        ours, reference_own = errors[kind]
        assert ours <= factor * reference_own + 2 * np.finfo(np.float32).eps, (kind, errors[kind])


def test_a_mask_has_no_derivatives(either_attention):
    case = make_case("odd", smooth=False)
    weight = tf.constant(case.slots[2])
    with tf.GradientTape() as tape:
        tape.watch(weight)
        value = either_attention(
            [*case.slots[:2], weight], case.parameters, None, 0, {**OPTIONS[0], "smooth": False}
        )
    assert tape.gradient(value, weight) is None


def test_no_atoms():
    options = OPTIONS[0]
    case = make_case("odd", smooth=True)
    slots = [tf.zeros([0, *x.shape[1:]], tf.float64) for x in case.slots]
    parameters = [tf.constant(x) for x in case.parameters]
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        value = compiled_attention(slots, parameters, None, 0, options)
    assert value.shape == (0, 13, 9)
    assert all(not np.any(g) for g in tape.gradient(value, parameters))


def test_no_slots():
    case = make_case("odd", smooth=True)
    slots = [tf.constant(x[:, :0]) for x in case.slots]
    value = compiled_attention(slots, case.parameters, tf.zeros(4, tf.int32), 5, OPTIONS[0])
    assert value.shape == (4, 0, 9)


@each_option
def test_padding_stands_for_slots_that_are_not_stored(either_attention, options):
    case = make_case("odd", smooth=options["smooth"])
    case.slots[2][:, 9:] = 0.0
    few = [x[:, :9] for x in case.slots]
    long = either_attention(case.slots, case.parameters, None, 0, options)
    for padding in (4, tf.constant(4)):
        short = either_attention(few, case.parameters, None, padding, options)
        np.testing.assert_allclose(short, long[:, :9], rtol=0, atol=1e-13)


@pytest.mark.parametrize("options", OPTIONS[:2], ids=describe)
def test_count_hides_weights(either_attention, options):
    case = make_case("odd", smooth=options["smooth"])
    hidden = [x.copy() for x in case.slots]
    hidden[2][np.arange(13) >= case.count[:, np.newaxis]] = 0.7
    with tf.GradientTape() as tape:
        slots = [tf.constant(x) for x in hidden]
        tape.watch(slots)
        value = either_attention(slots, case.parameters, tf.constant(case.count), 0, options)
    exact = reference_attention(case.slots, case.parameters, None, 0, options)
    np.testing.assert_allclose(value, exact, rtol=0, atol=1e-13)
    if options["smooth"]:
        by_weight = tape.gradient(value, slots[2], tf.constant(case.grad)).numpy()
        assert not by_weight[np.arange(13) >= case.count[:, np.newaxis]].any()


@pytest.fixture(params=["compiled", "reference"])
def either_attention(request):
    return compiled_attention if request.param == "compiled" else reference_attention


def test_a_row_of_zeros_stays_one():
    """Without bias the query of an embedding of zeros has no direction."""
    case = make_case("odd", smooth=True)
    case.slots[0][:, 2] = 0.0
    for bias in (1, 3, 5):
        case.parameters[bias][:] = 0.0
    found = evaluate(compiled_attention, case, OPTIONS[0])
    exact = evaluate(reference_attention, case, OPTIONS[0])
    for kind in ("value", "gradient"):
        assert worst_error(found[kind], exact[kind]) < 1e-12
    # Second gradients go with the square of the floor's inverse, 1e12.
    assert worst_error(found["second"], exact["second"]) < 1e-9


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64], ids=lambda d: d.name)
def test_graph_equals_eager(dtype):
    case = make_case("odd", smooth=True)
    eager = evaluate(compiled_attention, case, OPTIONS[0], dtype)
    shapes = [[None, None, None], [None, None, 3], [None, None]]
    signature = [tf.TensorSpec(shape, dtype) for shape in shapes]
    parameters = [tf.constant(x, dtype) for x in case.parameters]

    @tf.function(input_signature=[*signature, tf.TensorSpec([None], tf.int32)])
    def run(embedding, direction, weight, count):
        slots = [embedding, direction, weight]
        with tf.GradientTape() as outer:
            outer.watch([*slots, *parameters])
            with tf.GradientTape() as inner:
                inner.watch(slots)
                value = compiled_attention(slots, parameters, count, case.padding, OPTIONS[0])
            first = inner.gradient(value, slots, tf.constant(case.grad, dtype))
        grad_grads = [tf.constant(x, dtype) for x in case.grad_grads]
        return value, first, outer.gradient(first, [*slots, *parameters], grad_grads)

    value, first, second = run(*(tf.constant(x, dtype) for x in case.slots), case.count)
    np.testing.assert_array_equal(value, eager["value"][0])
    for found, exact in zip(
        [*first, *second], [*eager["gradient"], *eager["second"]], strict=False
    ):
        np.testing.assert_array_equal(0.0 if found is None else found, exact)


def test_forces_alone_leave_the_parameters_out():
    """Which op the tape chose shows in the graph."""
    case = make_case("odd", smooth=True)

    def names(watch_parameters):
        with tf.Graph().as_default() as graph:
            slots = [tf.constant(x) for x in case.slots]
            parameters = [tf.constant(x) for x in case.parameters]
            watched = [*slots, *(parameters if watch_parameters else [])]
            with tf.GradientTape() as tape:
                tape.watch(watched)
                value = compiled_attention(slots, parameters, None, 0, OPTIONS[0])
            tape.gradient(value, watched)
            return {op.type for op in graph.get_operations()}

    assert "DeepattnGatedAttentionGrad" in names(False)
    assert "DeepattnGatedAttentionFullGrad" not in names(False)
    assert "DeepattnGatedAttentionFullGrad" in names(True)


def derivative_chain(attention, case, order):
    """The order-th derivative of a scalar by all sources, each step contracted by sines."""
    slots, parameters = ([tf.constant(x) for x in a] for a in (case.slots, case.parameters))
    sources = [*slots, *parameters]

    def scalar(order):
        with tf.GradientTape() as tape:
            tape.watch(sources)
            if order == 0:
                value = attention(
                    slots, parameters, tf.constant(case.count), case.padding, OPTIONS[0]
                )
                total = tf.reduce_sum(tf.sin(value))
            else:
                total = tf.add_n([tf.reduce_sum(tf.sin(g)) for g in scalar(order - 1)])
        return tape.gradient(total, sources)

    return [g.numpy() for g in scalar(order)]


def test_second_derivatives_by_parameters_are_the_reference():
    case = make_case("width one", smooth=True)
    found = derivative_chain(compiled_attention, case, 1)
    assert worst_error(found, derivative_chain(reference_attention, case, 1)) < 1e-11


def test_third_derivatives_are_the_reference():
    case = make_case("odd", smooth=True)
    slots, parameters, grad_grads = (
        [tf.constant(x) for x in a] for a in (case.slots, case.parameters, case.grad_grads)
    )

    def third(attention):
        with tf.GradientTape() as outermost:
            outermost.watch(slots)
            with tf.GradientTape() as outer:
                outer.watch(slots)
                with tf.GradientTape() as inner:
                    inner.watch(slots)
                    value = attention(slots, parameters, None, 2, OPTIONS[0])
                first = inner.gradient(value, slots, tf.constant(case.grad))
            second = outer.gradient(first, slots, grad_grads)
        return [g.numpy() for g in outermost.gradient(second, slots, grad_grads)]

    assert worst_error(third(compiled_attention), third(reference_attention)) < 1e-11


def test_portable_graphs_hold_no_op_of_ours():
    case = make_case("odd", smooth=True)
    with tf.Graph().as_default() as graph, ops.portable():
        value = compiled_attention(
            [tf.constant(x) for x in case.slots], case.parameters, case.count, 3, OPTIONS[0]
        )
        tf.gradients(value, graph.get_operations()[0].outputs[0])
        assert not [op.type for op in graph.get_operations() if op.type.startswith("Deepattn")]
    with tf.Graph().as_default() as graph:
        compiled_attention(
            [tf.constant(x) for x in case.slots], case.parameters, None, 0, OPTIONS[0]
        )
        assert [op.type for op in graph.get_operations() if op.type.startswith("Deepattn")]


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16], ids=lambda d: d.name)
@pytest.mark.parametrize("smooth", [True, False])
def test_half_precision_uses_the_reference(dtype, smooth):
    case = make_case("odd", smooth=smooth)
    options = {"dotr": True, "mask": False, "smooth": smooth}
    exact = evaluate(reference_attention, case, options)
    found = evaluate(compiled_attention, case, options, dtype)
    assert worst_error([found["value"][0].astype(float)], exact["value"]) < 0.05
    assert np.isfinite(found["gradient"][0].astype(float)).all()


WRONG = {  # argument -> its replacement, the sentence
    "embedding": (tf.zeros([4, 13], tf.float64), r"embedding must have the shape \[\?, \?, \?\]"),
    "direction": (
        tf.zeros([4, 13, 2], tf.float64),
        r"direction must have the shape \[4, 13, 3\], not \[4,13,2\]",
    ),
    "weight": (tf.zeros([4, 12], tf.float64), r"weight must have the shape \[4, 13\]"),
    "count": (tf.zeros([3], tf.int32), r"count must have the shape \[4\], not \[3\]"),
    "padding": (tf.zeros([2], tf.float64), r"padding must have the shape \[\], not \[2\]"),
    "query_matrix": (tf.zeros([8, 11], tf.float64), r"query_matrix must have the shape \[9, \?\]"),
    "value_bias": (tf.zeros([9], tf.float64), r"value_bias must have the shape \[11\]"),
    "out_matrix": (tf.zeros([9, 11], tf.float64), r"out_matrix must have the shape \[11, 9\]"),
    "beta": (tf.zeros([11], tf.float64), r"beta must have the shape \[9\], not \[11\]"),
    "high count": (tf.constant([0, 1, 14, 15]), "count of atom 2 is 14, but it has 13 slots"),
    "low count": (tf.constant([0, -1, 1, 1]), "count of atom 1 is -1, but it has 13 slots"),
    "low padding": (tf.constant(-2.0, tf.float64), "padding is -2, but must not be negative"),
}


@pytest.mark.parametrize("what", WRONG)
def test_bad_arguments_are_named(what):
    value, sentence = WRONG[what]
    case = make_case("odd", smooth=True)
    names = ["embedding", "direction", "weight", "count", "padding", "ln_eps"]
    arguments = [*case.slots, case.count, np.float64(0), np.float64(LN_EPS), *case.parameters]
    place = {name: k for k, name in enumerate([*names, *ops.AttentionParameters._fields])}
    arguments[place[what.split()[-1]]] = value
    with pytest.raises(tf.errors.InvalidArgumentError, match=sentence):
        loader.own_ops().deepattn_gated_attention(*arguments, **OPTIONS[0] | {"smooth": True})


def test_bad_cotangents_are_named():
    case = make_case("odd", smooth=True)
    inputs = [*case.slots, case.count, np.float64(0), np.float64(LN_EPS), *case.parameters]
    own = loader.own_ops()
    _, kept, link = own.deepattn_gated_attention(*inputs, **OPTIONS[0])
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"grad must have the shape \[4, 13, 9"
    ):
        own.deepattn_gated_attention_grad(*inputs, kept, case.grad[:3], link, **OPTIONS[0])
    grad_grads = [case.grad_grads[0], case.grad_grads[1][:, :, :2], case.grad_grads[2]]
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"bar_direction must have the shape"):
        own.deepattn_gated_attention_tangent(*inputs, kept, *grad_grads, **OPTIONS[0])
    state = own.deepattn_gated_attention_tangent(*inputs, kept, *case.grad_grads, **OPTIONS[0])[1]
    rest = (case.grad, *case.grad_grads, state, case.grad[:, :12])
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"bar_output must have the shape"):
        own.deepattn_gated_attention_reverse(*inputs, kept, *rest, **OPTIONS[0])


def test_reference_normalizes_as_the_names_say():
    x = tf.constant(np.random.default_rng(0).normal(size=(5, 7)))
    np.testing.assert_allclose(np.linalg.norm(reference.unit_rows(x), axis=-1), 1.0)
    rows = reference.normalize_rows(x, 0.0).numpy()
    np.testing.assert_allclose(rows.mean(-1), 0.0, atol=1e-14)
    np.testing.assert_allclose(rows.var(-1), 1.0)
