"""Second derivatives through the link of an attention and its gradient, however tapes are laid."""

import pytest
import tensorflow as tf

from .attention_cases import (
    OPTIONS,
    compiled_attention,
    make_case,
    reference_attention,
    worst_error,
)

pytestmark = pytest.mark.usefixtures("compiled")


def of_outputs_and_gradients(attention, case, dtype, uses=1):
    """Gradients by all sources of outputs and first gradients, contracted with random ones.

    ``uses``: how many first gradients of one forward pass go in.
    """
    slots, parameters, grad_grads = (
        [tf.constant(x, dtype) for x in a] for a in (case.slots, case.parameters, case.grad_grads)
    )
    grad = tf.constant(case.grad, dtype)
    with tf.GradientTape() as outer:
        outer.watch([*slots, *parameters, grad])
        with tf.GradientTape(persistent=True) as inner:
            inner.watch(slots)
            value = attention(slots, parameters, case.count, case.padding, OPTIONS[0])
            values = [tf.sin((k + 1.0) * value) for k in range(uses)]
        total = tf.reduce_sum(value * tf.constant(case.grad_grads[0], dtype))
        for scaled in values:
            first = inner.gradient(scaled, slots, grad)
            total += tf.add_n(
                [tf.reduce_sum(b * g) for b, g in zip(grad_grads, first, strict=True)]
            )
    return outer.gradient(total, [*slots, *parameters, grad])


@pytest.mark.parametrize("uses", [0, 1, 2])
@pytest.mark.parametrize("dtype", [tf.float32, tf.float64], ids=lambda d: d.name)
def test_graphs_take_both_parts_of_a_gradient_at_once(dtype, uses):
    """Of several first gradients one goes with the outputs'; eagerly none does."""
    case = make_case("odd", smooth=True)

    def run():
        return of_outputs_and_gradients(compiled_attention, case, dtype, uses)

    function = tf.function(run).get_concrete_function()
    names = [op.type for op in function.graph.get_operations()]
    assert names.count("DeepattnGatedAttentionFullGrad") == (uses == 0)
    assert names.count("DeepattnGatedAttentionTangent") == uses
    assert names.count("DeepattnGatedAttentionReverse") == uses
    exact = of_outputs_and_gradients(reference_attention, case, tf.float64, uses)
    bound = 1e-12 if dtype == tf.float64 else 3e-4
    for found in (function(), run()):
        pairs = [(f, e) for f, e in zip(found, exact, strict=True) if e is not None]
        assert worst_error(*([x.numpy() for x in xs] for xs in zip(*pairs, strict=True))) < bound


def test_a_link_serves_each_derivative_of_one_tape():
    """Asked twice, and the first time not for what the attention itself depends on."""
    case = make_case("odd", smooth=True)

    def run(attention):
        slots, parameters = ([tf.constant(x) for x in a] for a in (case.slots, case.parameters))
        grad = tf.constant(case.grad)
        with tf.GradientTape(persistent=True) as outer:
            outer.watch([*slots, grad])
            with tf.GradientTape() as inner:
                inner.watch(slots)
                value = attention(slots, parameters, case.count, case.padding, OPTIONS[0])
            first = inner.gradient(value, slots, grad)
        results = [outer.gradient(first, grad, case.grad_grads)]
        results += outer.gradient(first, slots, case.grad_grads)
        results += outer.gradient(value, slots, case.grad_grads[0])
        results += outer.gradient([value, *first], slots, [case.grad_grads[0], *case.grad_grads])
        return results

    found, exact = tf.function(run)(compiled_attention), run(reference_attention)
    assert worst_error([x.numpy() for x in found], [x.numpy() for x in exact]) < 1e-12


def second_in_nested_functions(attention, case, slots, parameters):
    energy = tf.function(lambda *slots: tf.sin(attention(slots, parameters, None, 0, OPTIONS[0])))
    with tf.GradientTape() as outer:
        outer.watch(slots)
        with tf.GradientTape() as inner:
            inner.watch(slots)
            value = energy(*slots)
        first = inner.gradient(value, slots, case.grad)
    return outer.gradient([value, *first], slots, [case.grad_grads[0], *case.grad_grads])


def second_of_a_persistent_tape(attention, case, slots, parameters):
    energy = tf.function(lambda *slots: tf.sin(attention(slots, parameters, None, 0, OPTIONS[0])))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(slots)
        value = energy(*slots)
        first = tape.gradient(value, slots, case.grad)
    return tape.gradient(first, slots, case.grad_grads)


def second_where_forces_are_held_fast(attention, case, slots, parameters):
    @tf.function
    def both(*slots):
        with tf.GradientTape() as tape:
            tape.watch(slots)
            value = tf.sin(attention(slots, parameters, None, 0, OPTIONS[0]))
        return value, [tf.stop_gradient(g) for g in tape.gradient(value, slots, case.grad)]

    with tf.GradientTape() as outer:
        outer.watch(slots)
        with tf.GradientTape() as inner:
            inner.watch(slots)
            value, fixed = both(*slots)
        first = inner.gradient(value, slots, fixed[0])
    return outer.gradient(first, slots, case.grad_grads)


def second_of_a_tape_that_began_late(attention, case, slots, parameters):
    """Of what the outer tape sees, the gradient alone depends on the slots."""

    @tf.function
    def run(*slots):
        with tf.GradientTape() as inner:
            inner.watch(slots)
            value = attention(slots, parameters, None, 0, OPTIONS[0])
        with tf.GradientTape() as outer:
            outer.watch(slots)
            first = inner.gradient(value, slots, case.grad)
        return outer.gradient(first, slots, case.grad_grads)

    return run(*slots)


def second_through_gates(attention, case, slots, parameters):
    @tf.function
    def run(*slots):
        with tf.GradientTape() as tape:
            tape.watch(slots)
            value = attention(slots, parameters, None, 0, OPTIONS[0])
        first = tape.gradient(value, slots, case.grad)
        grad_grads = [tf.constant(x) for x in (case.grad_grads[0], *case.grad_grads)]
        return tf.gradients([value, *first], slots, grad_grads, gate_gradients=True)

    return run(*slots)


def second_around_a_loop(attention, case, slots, parameters):
    @tf.function
    def run(*slots):
        def body(k, value, *first):
            with tf.GradientTape() as tape:
                tape.watch(slots)
                value = attention(slots, parameters, None, 0, OPTIONS[0]) * tf.cast(k, value.dtype)
            return k + 1, value, *tape.gradient(value, slots, case.grad)

        with tf.GradientTape() as outer:
            outer.watch(slots)
            start = (1, slots[0], *slots)
            _, *results = tf.while_loop(lambda k, *_: k < 3, body, start)
        return outer.gradient(results, slots, [case.grad_grads[0], *case.grad_grads])

    return run(*slots)


@pytest.mark.parametrize(
    "second",
    [
        second_in_nested_functions,
        second_of_a_persistent_tape,
        second_where_forces_are_held_fast,
        second_through_gates,
        second_around_a_loop,
    ],
)
def test_links_across_functions_tapes_and_loops(second):
    case = make_case("odd", smooth=True)
    slots, parameters = ([tf.constant(x) for x in a] for a in (case.slots, case.parameters))
    for wrap in (lambda f: f, tf.function):
        found = wrap(lambda: second(compiled_attention, case, slots, parameters))()
        exact = wrap(lambda: second(reference_attention, case, slots, parameters))()
        assert worst_error([x.numpy() for x in found], [x.numpy() for x in exact]) < 1e-11


def test_a_tape_that_did_not_see_the_attention_has_its_gradients():
    """Eager says what is right: of the reference implementation such a tape sees only parts."""
    case = make_case("odd", smooth=True)
    slots, parameters = ([tf.constant(x) for x in a] for a in (case.slots, case.parameters))
    found = second_of_a_tape_that_began_late(compiled_attention, case, slots, parameters)
    with tf.GradientTape() as outer:
        outer.watch(slots)
        with tf.GradientTape() as inner:
            inner.watch(slots)
            value = compiled_attention(slots, parameters, None, 0, OPTIONS[0])
        first = inner.gradient(value, slots, case.grad)
    exact = outer.gradient(first, slots, case.grad_grads)
    assert worst_error([x.numpy() for x in found], [x.numpy() for x in exact]) < 1e-12
