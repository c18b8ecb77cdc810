"""Potentials of the CUDA sources, compiled for the host, against the CPU's and their reference."""

import numpy as np
import pytest
import tensorflow as tf
from cuda_calls import CudaError
from cuda_potential_calls import Model, tabulated_potential

from deepattn import ops

from .cases import explicit_ghosts, inline_mesh, random_case
from .tabulated_potential_cases import OPTIONS, Options, draw, draw_basis

pytestmark = pytest.mark.usefixtures("compiled")


def model_of(descriptor, nets, basis) -> Model:
    """The arguments of the op as arrays of the C interface."""

    def array(x):
        return None if x is None else x.numpy()

    arrays = {name: getattr(descriptor, name) for name in ("davg", "dstd", "keep", "count")}
    tables = zip(("table", "range", "factors"), descriptor.tables, strict=True)
    offsets = ("type_offset", "frame_offset", "atom_offset")
    arrays |= dict(tables) | {name: getattr(nets, name) for name in offsets}
    kept = ("rcut", "rcut_smth", "sel", "width", "axis", "sees_center", "switch")
    kept += ("excluded_is_average",)
    return Model(
        **{name: array(x) for name, x in arrays.items()},
        **{name: getattr(descriptor, name) for name in kept},
        nets=[
            [tuple(map(array, layer)) for layer in (*hidden, output)]
            for hidden, output in zip(nets.layers, nets.outputs, strict=True)
        ],
        copies=nets.copies,
        basis=None if basis is None else tuple(map(array, basis)),
    )


def draw_all(case, options):
    """Descriptor, nets and basis."""
    potential = draw(options, len(case.coord), int(case.natoms[0]))
    return *potential, draw_basis(options)


def in_float64(x):
    """The same numbers in float64."""
    if isinstance(x, tf.Tensor):
        return tf.cast(x, tf.float64)
    if isinstance(x, list):
        return [in_float64(y) for y in x]
    return type(x)(*map(in_float64, x)) if hasattr(x, "_fields") else x


def error(values, exact):
    """The largest difference, in units of the largest number."""
    exact = np.asarray(exact)
    scale = abs(exact).max(initial=1e-30)
    return abs(np.asarray(values, np.float64) - exact).max(initial=0) / scale


def check(library, case, options, **lists):
    """Float64 is the CPU's and the reference's; float32 is as exact as the reference's."""
    rounded = case.with_(
        coord=case.coord.astype(options.interface), box=case.box.astype(options.interface)
    )
    potential = draw_all(case, options)
    got = tabulated_potential(library, rounded, model_of(*potential), **lists).results()
    inputs = rounded.arguments(options.interface)[:5]
    compiled = ops.tabulated_potential(*inputs, *potential)
    with ops.plain():
        plain = ops.tabulated_potential(*inputs, *potential)
        inputs = rounded.arguments()[:5]
        exact = ops.tabulated_potential(*inputs, *map(in_float64, potential))
    for name, one, *others, true in zip(plain._fields, got, compiled, plain, exact, strict=True):
        if options.dtype == "float64":
            # Of a virial that almost cancels neither has all digits.
            bound = max(1e-11, 2 * error(*others))
            assert max(error(one, other) for other in others) <= bound, name
        else:
            bound = 2 * max(error(others[1], true), np.finfo(np.float32).eps)
            assert error(one, true) <= bound, name


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("box", ["triclinic", "open"])
def test_every_option(cuda_order, name, box):
    check(cuda_order, random_case(box, seed=3), OPTIONS[name])


@pytest.mark.parametrize("nets", [1, 2])
def test_several_tiles_and_turns(cuda_order, nets):
    """More centers than are evaluated at once, in tiles of both sizes."""
    for natoms in (130, 45):
        case = random_case("triclinic", natoms=natoms, nframes=3)
        case = case.with_(coord=case.coord * 2.2, box=case.box * 2.2)
        check(cuda_order, case, Options(sel=(30, 30), nets=nets))


def test_more_neighbors_than_are_looked_at_once(cuda_order):
    case = random_case("below cutoff", natoms=7, nframes=1)
    check(cuda_order, case, Options(sel=(300,)))


@pytest.mark.parametrize("sel", [(90,), (9,), (30, 5)])
def test_a_list_of_the_caller(cuda_order, sel):
    ghosted, rows = explicit_ghosts(random_case("triclinic", nframes=1))
    order = np.random.default_rng(1).permutation(len(rows))
    case = ghosted.with_(mesh=inline_mesh(rows))
    check(cuda_order, case, Options(sel=sel), rows=rows, order=order)


@pytest.mark.parametrize("nframes, natoms", [(0, 5), (2, 0), (2, 1)])
@pytest.mark.parametrize("box", ["cubic", "open"])
def test_hardly_any_atoms(cuda_host, box, nframes, natoms):
    check(cuda_host, random_case(box, nframes=nframes, natoms=natoms, virtual=False), Options())


def test_the_same_bits_in_any_order(cuda_host):
    case = random_case("triclinic", natoms=70)
    model = model_of(*draw_all(case, OPTIONS["float32"]))
    results = []
    for order in range(3):
        cuda_host.deepattn_cuda_host_order(order)
        results.append(tabulated_potential(cuda_host, case, model).results())
    cuda_host.deepattn_cuda_host_order(0)
    for first, *others in zip(*results, strict=True):
        for other in others:
            np.testing.assert_array_equal(first, other)


def test_without_distances(cuda_host):
    case, options = random_case("open"), Options()
    model = model_of(*draw(options, 2, case.atype.shape[1]), None)
    got = tabulated_potential(cuda_host, case, model).results()
    with_distances = tabulated_potential(cuda_host, case, model_of(*draw_all(case, options)))
    assert len(got) == 4
    for one, other in zip(got, with_distances.results()[:4], strict=True):
        np.testing.assert_array_equal(one, other)


def wrong(**changes):
    return random_case("triclinic", natoms=9, virtual=False).with_wrong(**changes)


@pytest.mark.parametrize(
    "case, sentence",
    [
        (wrong(coord=((1, 4, 2), np.nan)), "frame 1: atom 4 has coordinates that are not finite"),
        (wrong(atype=((1, 3), 2)), "frame 1: atom 3 has a type that is not below the number"),
        (wrong(box=((1, slice(3, 6)), 0)), "frame 1: the box has no volume"),
    ],
)
def test_an_invalid_frame_has_no_numbers(cuda_order, case, sentence):
    prepared = tabulated_potential(cuda_order, case, model_of(*draw_all(case, Options())))
    with pytest.raises(CudaError, match=sentence):
        prepared.results()
    for output in prepared.outputs:
        assert np.isnan(output[1]).all() and not np.isnan(output[0]).any()


def test_coinciding_atoms_have_no_numbers(cuda_order):
    case = wrong(coord=((1, 4), wrong().coord[1, 7]))
    prepared = tabulated_potential(cuda_order, case, model_of(*draw_all(case, Options())))
    with pytest.raises(CudaError, match="frame 1: atom 4 is at the same place as a neighbor"):
        prepared.results()
    energy, force, virial, *_ = (output[1] for output in prepared.outputs)
    for values in (energy, force.reshape(9, 3)):
        assert np.isnan(values[[4, 7]]).all()
    assert np.isnan(virial).all()


def test_a_wrong_list_of_one_center(cuda_order):
    ghosted, rows = explicit_ghosts(random_case("triclinic", nframes=1, virtual=False))
    rows[2] = [5000, *rows[2]]
    model = model_of(*draw_all(ghosted, Options()))
    prepared = tabulated_potential(cuda_order, ghosted, model, rows=rows)
    with pytest.raises(CudaError, match="atom 2 has an entry in its neighbor list that is not the"):
        prepared.results()
    energy, force, virial, *_ = prepared.outputs
    assert np.flatnonzero(np.isnan(energy)).tolist() == [2]
    assert np.isnan(force.reshape(-1, 3)[2]).all() and np.isnan(virial).all()


def test_refused_calls(cuda_host):
    case = random_case("open")
    model = model_of(*draw_all(case, Options()))
    model.table = model.table[:, :9]
    with pytest.raises(CudaError, match="the table has 9 rows, which do not fit its range"):
        tabulated_potential(cuda_host, case, model).results()
