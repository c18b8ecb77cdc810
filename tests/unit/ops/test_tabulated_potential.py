"""The potential in one operation: equal to its reference, with every option and list."""

import contextlib
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from deepattn import ops
from deepattn.ops import DistanceBasis

from .cases import explicit_ghosts, inline_mesh, random_case
from .tabulated_potential_cases import OPTIONS, Options, draw, draw_basis

pytestmark = pytest.mark.usefixtures("compiled")


def arguments(case, dtype="float64"):
    return case.arguments(dtype)[:5]


def both(case, options):
    """Results of the compiled op and of the reference."""
    nframes, nloc = len(case.coord), int(case.natoms[0])
    descriptor, net = draw(options, nframes, nloc)
    inputs = arguments(case, options.interface)
    basis = draw_basis(options)
    compiled = ops.tabulated_potential(*inputs, descriptor, net, basis)
    with ops.plain():
        plain = ops.tabulated_potential(*inputs, descriptor, net, basis)
    return compiled, plain


def assert_same(compiled, plain, tolerance=1e-12):
    for name, one, other in zip(plain._fields, compiled, plain, strict=True):
        scale = max(1.0, abs(other.numpy()).max(initial=0.0))
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * scale, err_msg=name)


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("box", ["triclinic", "open"])
def test_equals_its_reference(instruction_set, name, box):
    options = OPTIONS[name]
    case = random_case(box, seed=3)
    tolerance = 1e-12 if options.dtype == "float64" else 2e-5
    assert_same(*both(case, options), tolerance)


def test_several_blocks_and_parts(instruction_set):
    case = random_case("triclinic", natoms=130, nframes=2)
    case = replace(case, coord=case.coord * 2.2, box=case.box * 2.2)
    assert_same(*both(case, Options(sel=(60,))))


def test_a_list_of_the_caller():
    ghosted, rows = explicit_ghosts(random_case("triclinic", nframes=1))
    rng = np.random.default_rng(1)
    rows = [list(rng.permutation(row)) for row in rows]
    case = ghosted.with_(mesh=inline_mesh(rows, rng.permutation(len(rows))))
    for sel in ((90,), (9,), (30, 5)):
        assert_same(*both(case, Options(sel=sel)))


def test_no_atoms():
    case = random_case("open", natoms=1)
    case = replace(case, coord=case.coord[:, :0], atype=case.atype[:, :0])
    compiled, plain = both(case, Options())
    assert_same(compiled, plain)
    assert compiled.force.shape == (2, 0)


def test_forces_are_the_slope_of_the_energy():
    case, options = random_case("triclinic", seed=5), Options()
    descriptor, net = draw(options, 2, case.atype.shape[1])
    direction = np.random.default_rng(2).normal(size=case.coord.shape)

    def energy(step):
        moved = replace(case, coord=case.coord + step * direction)
        return tf.reduce_sum(
            ops.tabulated_potential(*arguments(moved), descriptor, net).atom_energy
        )

    force = ops.tabulated_potential(*arguments(case), descriptor, net).force
    slope = (energy(1e-5) - energy(-1e-5)) / 2e-5
    expected = -tf.reduce_sum(force * direction.reshape(force.shape))
    np.testing.assert_allclose(slope, expected, rtol=1e-6)


def test_distances_change_nothing_else():
    case, options = random_case("triclinic"), Options()
    descriptor, net = draw(options, 2, case.atype.shape[1])
    basis = draw_basis(options)

    @tf.function
    def run():
        return ops.tabulated_potential(*arguments(case), descriptor, net, basis)

    *others, distance = run()
    assert (distance.numpy() > 0).tolist() == (case.atype >= 0).tolist()
    without = ops.tabulated_potential(*arguments(case), descriptor, net)
    assert without.distance is None
    for one, other in zip(others, without[:-1], strict=True):
        np.testing.assert_array_equal(one, other)

    @tf.function
    def energies():
        # Nobody takes the distances, which are not computed then.
        return ops.tabulated_potential(*arguments(case), descriptor, net, basis).atom_energy

    np.testing.assert_array_equal(energies(), others[0])


@pytest.mark.parametrize("part", DistanceBasis._fields)
def test_a_basis_that_does_not_fit_is_refused(part):
    case, options = random_case("open"), Options()
    descriptor, net = draw(options, 2, case.atype.shape[1])
    basis = draw_basis(options)
    changed = basis._replace(**{part: getattr(basis, part)[1:]})
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"{part} must have the shape"):
        ops.tabulated_potential(*arguments(case), descriptor, net, changed)


def test_new_weights_are_seen():
    """The net is packed once; other weights, at the same place or not, are packed again."""
    case, options = random_case("open"), Options()
    descriptor, net = draw(options, 2, case.atype.shape[1])
    first, second, *others = net.layers[0]
    variable = tf.Variable(second.matrix)

    def run():
        layers = [first, second._replace(matrix=tf.convert_to_tensor(variable)), *others]
        changed = net._replace(layers=[layers])
        return ops.tabulated_potential(*arguments(case), descriptor, changed).atom_energy.numpy()

    before = run()
    np.testing.assert_array_equal(run(), before)
    variable.assign_add(tf.ones_like(variable))
    assert not np.array_equal(run(), before)
    variable.assign(second.matrix)
    np.testing.assert_array_equal(run(), before)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tables": lambda t: t._replace(table=t.table[:, :9])}, "do not fit its range"),
        ({"tables": lambda t: t._replace(factors=t.factors[:2])}, "2 factors for 6 pairs of types"),
        ({"tables": lambda t: t._replace(factors=t.factors[:, :3])}, "factors must have the shape"),
        ({"davg": lambda x: x[:, :4]}, r"davg must have the shape \[2, 160\]"),
        ({"axis": lambda _: 10}, "axis must not be above width"),
        ({"sel": lambda _: [39]}, "davg must have the shape"),
        ({"sel": lambda _: [10, 20, 10]}, "sel has 3 entries for 2 types"),
        ({"rcut": lambda _: -1.0}, "rcut must be positive"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    case = random_case("open")
    descriptor, net = draw(Options(), 2, case.atype.shape[1])
    changed = {key: function(getattr(descriptor, key)) for key, function in change.items()}
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        ops.tabulated_potential(*arguments(case), descriptor._replace(**changed), net)


def _wide(layer):
    return layer._replace(matrix=tf.tile(layer.matrix, [1, 2]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda net: {"copies": (0, 2, 2)}, "layer 1 of width 10 cannot add 2 copies"),
        (lambda net: {"copies": (0, 1)}, "hidden layers with their copies"),
        (lambda net: {"type_offset": net.type_offset[:1]}, "type_offset must have the shape"),
        (lambda net: {"frame_offset": net.type_offset[:1]}, "frame_offset must have the shape"),
        (lambda net: {"outputs": [net.outputs[0]] * 3}, "one net or one for each type"),
        (lambda net: {"outputs": [_wide(net.outputs[0])]}, "last_matrix must have the shape"),
    ],
)
def test_a_net_that_does_not_fit_is_refused(change, message):
    case = random_case("open")
    descriptor, net = draw(Options(), 2, case.atype.shape[1])
    changed = net._replace(**change(net))
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        ops.tabulated_potential(*arguments(case), descriptor, changed)


@pytest.mark.parametrize("plain", [False, True])
def test_coinciding_atoms_are_refused(plain):
    case = random_case("open", virtual=False)
    coord = case.coord.copy()
    coord[0, 3] = coord[0, 4]
    descriptor, net = draw(Options(), 2, case.atype.shape[1])
    kind = ops.plain() if plain else contextlib.nullcontext()
    with kind, pytest.raises(tf.errors.InvalidArgumentError, match="at the same place"):
        ops.tabulated_potential(*arguments(replace(case, coord=coord)), descriptor, net)
