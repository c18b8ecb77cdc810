"""The potential of a model without attention in one operation: equal to its reference, with every
option, in values, in the derivative and in the gradients of both by the weights."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from deepattn import ops

from .cases import random_case
from .smooth_cases import OPTIONS, TOLERANCE, Options, draw

pytestmark = pytest.mark.usefixtures("compiled")


def assert_same(one, other, tolerance, name=""):
    for k, (a, b) in enumerate(zip(one, other, strict=True)):
        scale = max(1.0, abs(b.numpy()).max(initial=0.0))
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * scale, err_msg=f"{name} {k}")


def assert_equals_reference(potential, tolerance):
    grads = potential.cotangents()
    results, gradients = potential.gradients(grads)
    with ops.plain():
        expected, expected_gradients = potential.gradients(grads)
    assert_same(results, expected, tolerance, "result")
    assert_same(gradients, expected_gradients, tolerance, "gradient")


@pytest.mark.parametrize("name", OPTIONS)
def test_equals_its_reference(name):
    options = OPTIONS[name]
    potential = draw(random_case("triclinic", seed=3), options)
    assert_equals_reference(potential, TOLERANCE[options.dtype])


@pytest.mark.parametrize("name", ["a net for each pair", "wide", "float32 nets"])
def test_instruction_sets(instruction_set, name):
    options = OPTIONS[name]
    potential = draw(random_case("open"), options)
    assert_equals_reference(potential, TOLERANCE[options.dtype])
    assert_equal_descriptors(potential, TOLERANCE[options.dtype])


def assert_equal_descriptors(potential, tolerance):
    found = potential.run(with_descriptor=True)
    for one, other in zip(found, potential.run(), strict=False):
        np.testing.assert_array_equal(one, other)
    with ops.plain():
        assert_same(found, potential.run(with_descriptor=True), tolerance, "with descriptor")


@pytest.mark.parametrize("name", OPTIONS)
def test_descriptors(name):
    options = OPTIONS[name]
    potential = draw(random_case("triclinic", seed=3), options)
    assert_equal_descriptors(potential, TOLERANCE[options.dtype])


@pytest.mark.parametrize("wanted", [[0, 1], [2], [0]])
def test_a_graph_makes_what_it_takes(wanted):
    potential = draw(random_case("triclinic"), OPTIONS["factors"])

    @tf.function
    def some():
        results = potential.run(with_descriptor=True)
        return [results[k] for k in wanted]

    results = potential.run(with_descriptor=True)
    for k, found in zip(wanted, some(), strict=True):
        np.testing.assert_array_equal(found, results[k])


def test_a_potential_with_descriptors_is_not_differentiated():
    potential = draw(random_case("open"), Options())
    matrix = potential.environment[0]
    with tf.GradientTape() as tape:
        tape.watch(matrix)
        _, _, descriptor = potential.run(with_descriptor=True)
    with pytest.raises(NotImplementedError, match="is not differentiated"):
        tape.gradient(descriptor, matrix)


@pytest.mark.parametrize("nframes", [1, 3])
def test_several_chunks_of_atoms(nframes):
    case = random_case("triclinic", natoms=150, nframes=nframes)
    case = replace(case, coord=case.coord * 2.2, box=case.box * 2.2)
    options = Options(nets="neighbor", sees_center=False, sel=(25, 25), fittings=2)
    assert_equals_reference(draw(case, options), 1e-11)


def test_no_atoms_and_no_frames():
    case = random_case("open", natoms=1)
    for changed in (
        replace(case, atype=np.full_like(case.atype, -1)),
        replace(case, coord=case.coord[:, :0], atype=case.atype[:, :0]),
        replace(case, coord=case.coord[:0], atype=case.atype[:0], box=case.box[:0]),
    ):
        for name in ("not centered", "a net for each pair"):
            potential = draw(changed, OPTIONS[name])
            results, gradients = potential.gradients(potential.cotangents())
            assert not any(np.any(x.numpy()) for x in (*results, *gradients))


def test_a_type_that_no_atom_has():
    case = random_case("triclinic", virtual=False)
    case = replace(case, atype=np.zeros_like(case.atype))
    assert_equals_reference(draw(case, OPTIONS["a net for each pair"]), 1e-12)


def test_gradient_is_the_slope_along_weights():
    potential = draw(random_case("triclinic"), OPTIONS["factors"])
    grads = potential.cotangents()
    _, gradients = potential.gradients(grads)
    rng = np.random.default_rng(4)
    scales, nets = potential.descriptor.nets.scales, potential.descriptor.nets
    direction = rng.normal(size=scales[0].shape)

    def value(step):
        moved = nets._replace(scales=[scales[0] + step * direction])
        results = replace(potential, descriptor=potential.descriptor._replace(nets=moved)).run()
        return sum(tf.reduce_sum(g * x) for g, x in zip(grads, results, strict=True))

    slope = (value(1e-5) - value(-1e-5)) / 2e-5
    # Scales are the first of the weights.
    np.testing.assert_allclose(tf.reduce_sum(gradients[0] * direction), slope, rtol=1e-7)


def test_derivative_is_the_slope_of_the_energy():
    potential = draw(random_case("triclinic"), OPTIONS["a net for each pair"])
    _, derivative = potential.run()
    matrix, *others = potential.environment
    direction = np.random.default_rng(4).normal(size=matrix.shape) * (derivative.numpy() != 0)

    def value(step):
        moved = replace(potential, environment=(matrix + step * direction, *others))
        return tf.reduce_sum(moved.run()[0])

    slope = (value(1e-5) - value(-1e-5)) / 2e-5
    np.testing.assert_allclose(tf.reduce_sum(derivative * direction), slope, rtol=1e-7)


def test_order_of_atoms_does_not_matter():
    case = random_case("triclinic", nframes=1)
    order = np.random.default_rng(0).permutation(case.atype.shape[1])
    permuted = replace(case, coord=case.coord[:, order], atype=case.atype[:, order])
    energy, _ = draw(case, OPTIONS["a net for each pair"]).run()
    other, _ = draw(permuted, OPTIONS["a net for each pair"]).run()
    np.testing.assert_allclose(tf.gather(energy, order, axis=1), other, rtol=0, atol=1e-12)


def test_repeated_runs_give_the_same_bits():
    potential = draw(random_case("triclinic", natoms=60), OPTIONS["float32"])
    grads = potential.cotangents()
    first = tf.nest.flatten(potential.gradients(grads))
    for one, other in zip(first, tf.nest.flatten(potential.gradients(grads)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_further_derivatives_are_those_of_the_reference():
    """By the matrix, and of the gradient by the weights."""
    potential = draw(random_case("open", natoms=6), Options(factors=True, switch="inverse"))
    grads = potential.cotangents()
    scale = potential.descriptor.nets.scales[0]
    matrix = potential.environment[0]

    def run():
        with tf.GradientTape() as outer:
            outer.watch([scale, matrix])
            with tf.GradientTape() as tape:
                tape.watch([scale, matrix])
                results = potential.run()
            first = tape.gradient(results, [scale, matrix], output_gradients=grads)
            total = tf.add_n([tf.reduce_sum(tf.square(x)) for x in first])
        return [*first, *outer.gradient(total, [scale, matrix])]

    compiled = run()
    with ops.plain():
        assert_same(compiled, run(), 1e-10)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"davg": lambda x: x[:, :4]}, r"davg must have the shape \[\?, 160\]"),
        ({"dstd": lambda x: x[:1]}, r"dstd must have the shape \[2, 160\]"),
        ({"axis": lambda _: 10}, "axis must not be above width, not 10 and 6"),
        ({"sel": lambda _: [39]}, r"davg must have the shape \[\?, 156\]"),
        ({"sel": lambda _: [20, 20]}, "sel has 2 blocks of slots, but empty_types 1"),
        ({"sel": lambda _: [-1]}, "sel must not be negative"),
        ({"empty_types": lambda _: [3]}, "empty_types has 3, but there are 2 types"),
        ({"count": lambda x: x[tf.newaxis]}, "count must have the shape"),
        (
            {"nets": lambda n: n._replace(net_of_pair=[0] * 3)},
            "net_of_pair has 3 entries for 6 pairs",
        ),
        ({"nets": lambda n: n._replace(net_of_pair=[1] * 6)}, "net_of_pair has 1, but there are 1"),
        ({"nets": lambda n: n._replace(offset=n.offset[:4])}, "offset must have the shape"),
        ({"nets": lambda n: n._replace(scales=[n.scales[0][:2]])}, "a matrix of an embedding net"),
        ({"nets": lambda n: n._replace(scales=n.scales * 3)}, "equally many layers"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    potential = draw(random_case("open"), Options())
    changed = {
        key: function(getattr(potential.descriptor, key)) for key, function in change.items()
    }
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        replace(potential, descriptor=potential.descriptor._replace(**changed)).run()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda net: {"copies": (0, 2, 2)}, "layer 1 of width 10 cannot add 2 copies"),
        (lambda net: {"copies": (0, 1)}, "hidden layers with their copies"),
        (lambda net: {"type_offset": net.type_offset[:1]}, "type_offset must have the shape"),
        (lambda net: {"frame_offset": net.type_offset[:1]}, "frame_offset must have the shape"),
        (lambda net: {"outputs": [net.outputs[0]] * 3}, "one net or one for each type"),
    ],
)
def test_a_net_that_does_not_fit_is_refused(change, message):
    potential = draw(random_case("open"), Options())
    changed = potential.nets._replace(**change(potential.nets))
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        replace(potential, nets=changed).run()


@pytest.mark.parametrize(
    ("index", "value", "message"),
    [
        (1, lambda x: x[:, 3:], r"rij must have the shape \[2, 1680\]"),
        (2, lambda x: x[:1], r"nlist must have the shape \[2, 560\]"),
        (3, lambda x: tf.fill(tf.shape(x), 2), "ntype of slot 0 of atom .* is 2, but there are 2"),
        (3, lambda x: -x - 1, "ntype of slot 0 of atom .* is -"),
        (4, lambda x: x + 2, "frame 0: atom .* has type .*, but there are only 2 types"),
        (4, lambda x: x[0], r"type must have the shape \[\?, \?\]"),
    ],
)
def test_atoms_that_do_not_fit_are_named(index, value, message):
    potential = draw(random_case("triclinic", virtual=False), Options())
    inputs = list(potential.environment)
    inputs[index] = value(inputs[index])
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        replace(potential, environment=tuple(inputs)).run()
