"""The environment matrix against an independent evaluation, in both implementations."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from deepattn import ops
from deepattn.ops import reference

from .cases import BOXES, oracle, random_case, row_derivative, smooth_row

BOX_NAMES = [*BOXES, "open"]


@pytest.mark.parametrize("box", BOX_NAMES)
def test_mix_matches_independent_evaluation(either, box):
    case = random_case(box)
    descrpt, deriv, rij, nlist, ntype, nmask = case.mix(either)
    expected = oracle(case)
    np.testing.assert_allclose(descrpt, expected[0], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(deriv, expected[1], rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(rij, expected[2], rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(nlist, expected[3])
    np.testing.assert_array_equal(nmask, expected[3] >= 0)
    types = np.take_along_axis(case.atype, np.maximum(expected[3], 0), axis=1)
    np.testing.assert_array_equal(ntype, np.where(nmask, types, 2))
    assert nmask.any() and not nmask.all()


@pytest.mark.parametrize("box", BOX_NAMES)
def test_blocks_match_independent_evaluation(either, box):
    case = random_case(box, nnei=40)
    sel = [12, 28]
    for got, expected in zip(case.blocks(either, sel), oracle(case, sel), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-11)


def test_too_few_slots_keep_the_nearest(either):
    case = random_case("triclinic", natoms=30, nnei=5)
    nlist, nmask = case.mix(either)[3::2]
    np.testing.assert_array_equal(nlist, oracle(case)[3])
    assert nmask.reshape(2, 30, 5)[case.atype >= 0].mean() > 0.5


@pytest.mark.parametrize("box", BOX_NAMES)
def test_float32_is_as_accurate_as_the_reference(compiled, box):
    case = random_case(box).with_(davg=np.zeros((2, 360)), dstd=np.ones((2, 360)))
    errors = []
    for implementation in (compiled, reference):
        descrpt, deriv, rij, nlist, _, _ = case.mix(implementation, tf.float32)
        assert descrpt.dtype == deriv.dtype == rij.dtype == np.float32
        real = rij.reshape(-1, 3)[nlist.ravel() >= 0].astype(float)
        rows = np.array([smooth_row(d, case.rcut, case.rcut_smth) for d in real])
        derivs = np.array([row_derivative(d, case.rcut, case.rcut_smth) for d in real])
        padded = np.zeros((nlist.size, 4, 4))
        padded[nlist.ravel() >= 0] = np.concatenate([rows[..., None], derivs], axis=2)
        errors.append(
            [
                np.abs(descrpt.reshape(-1, 4) - padded[..., 0]).max(),
                np.abs(deriv.reshape(-1, 4, 3) - padded[..., 1:]).max(),
            ]
        )
    for of_compiled, of_reference in zip(*errors, strict=True):
        assert of_compiled <= 2 * of_reference
        assert of_compiled < 1e-4
    for got, want in zip(
        case.mix(compiled, tf.float32), case.mix(reference, tf.float32), strict=True
    ):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
def test_rounding_near_the_cutoff(compiled, dtype):
    """There a row is what rounding leaves of a difference, and its direction may turn round."""
    rng = np.random.default_rng(3)
    direction = rng.normal(size=(60, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    length = 4.3 - np.geomspace(1e-6, 0.1, 60)
    coord = np.concatenate([np.zeros((1, 3)), direction * length[:, None]])[None]
    case = random_case("open", natoms=61, nframes=1, nnei=70, virtual=False).with_(
        coord=coord, davg=np.zeros((2, 280)), dstd=np.full((2, 280), 0.01), periodic=False
    )

    for ours, theirs in zip(case.mix(reference, dtype), case.mix(compiled, dtype), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
@pytest.mark.parametrize("cell", ["cubic", "hexagonal", "fcc"])
def test_equidistant_neighbors_are_told_apart_alike(compiled, cell, dtype):
    # Perfect lattices are all ties; slots end in the middle of a shell.
    vectors = {
        "cubic": np.eye(3),
        "hexagonal": np.array([[1, 0, 0], [-0.5, 0.75**0.5, 0], [0, 0, 1.6]]),
        "fcc": np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]) * 1.5,
    }[cell]
    steps = np.stack(np.meshgrid(*[np.arange(4)] * 3, indexing="ij"), -1).reshape(-1, 3)
    case = random_case("cubic", natoms=64, nframes=1, nnei=11, virtual=False).with_(
        coord=(2.7 * steps @ vectors)[None], box=(4 * 2.7 * vectors).reshape(1, 9)
    )
    np.testing.assert_array_equal(case.mix(compiled, dtype)[3], case.mix(reference, dtype)[3])


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    scale=st.floats(0.4, 2.5),
    natoms=st.integers(1, 25),
    box=st.sampled_from(BOX_NAMES),
    rounded=st.booleans(),
)
def test_both_implementations_choose_the_same_neighbors(seed, scale, natoms, box, rounded):
    if ops.library() is None:
        pytest.skip("the op libraries are not built: python -m deepattn.ops.build")
    case = random_case(box, natoms=natoms, nframes=1, nnei=30, seed=seed)
    coord, cell = case.coord * scale, case.box * scale
    if rounded:  # many coinciding distances, but no coinciding atoms
        lattice = np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), -1).reshape(-1, 3)
        fraction = lattice[:natoms] / 3
        coord = (fraction @ cell.reshape(3, 3))[None]
    case = case.with_(coord=coord, box=cell)
    of_compiled, of_reference = case.mix(ops), case.mix(reference)
    np.testing.assert_array_equal(of_compiled[3], of_reference[3])
    np.testing.assert_allclose(of_compiled[2], of_reference[2], rtol=1e-13, atol=1e-13)


def test_frames_do_not_see_each_other(either):
    case = random_case("triclinic", nframes=3, natoms=40)
    whole = case.mix(either)
    alone = case.with_(coord=case.coord[1:2], atype=case.atype[1:2], box=case.box[1:2]).mix(either)
    for all_frames, one in zip(whole, alone, strict=True):
        np.testing.assert_array_equal(all_frames[1:2], one)


@pytest.mark.parametrize("nframes, natoms", [(0, 5), (2, 0), (1, 1)])
@pytest.mark.parametrize("box", ["cubic", "open"])
def test_nothing_to_do(either, nframes, natoms, box):
    case = random_case(box, nframes=nframes, natoms=natoms, nnei=7, virtual=False)
    out = case.mix(either)
    widths = [4, 12, 3, 1, 1, 1]
    assert [x.shape for x in out] == [(nframes, natoms * 7 * width) for width in widths]
    assert not out[5].any()


def test_no_slots_at_all(compiled):
    case = random_case("cubic", nnei=0)
    assert [x.shape for x in case.mix(compiled)] == [(2, 0)] * 6


@pytest.mark.parametrize("mesh_length", [0, 1, 6, 7])
def test_graph_knows_shapes_and_needs_no_static_ones(either, mesh_length):
    case = random_case("triclinic", nnei=20)
    arguments = list(case.arguments())
    arguments[4] = tf.zeros(mesh_length, tf.int32)
    loose = [tf.TensorSpec([None] * x.shape.rank, x.dtype) for x in arguments[:5]]
    kwargs = {"rcut": 4.3, "rcut_smth": 0.8, "nnei": 20}

    @tf.function(input_signature=loose)
    def run(*inputs):
        return either.prod_env_mat_a_mix(*inputs, *arguments[5:], **kwargs)

    for graph, eager in zip(
        run(*arguments[:5]), either.prod_env_mat_a_mix(*arguments, **kwargs), strict=True
    ):
        np.testing.assert_allclose(graph, eager, rtol=1e-13, atol=1e-13)


def test_shape_functions(compiled):
    case = random_case("triclinic", nnei=20)
    arguments = case.arguments()

    @tf.function
    def run(coord):
        env = compiled.prod_env_mat_a_mix(coord, *arguments[1:], rcut=4.3, rcut_smth=0.8, nnei=20)
        force = compiled.prod_force_se_a(
            env.descrpt, env.descrpt_deriv, env.nlist, arguments[2], nnei=20
        )
        virial, atom_virial = compiled.prod_virial_se_a(
            env.descrpt, env.descrpt_deriv, env.rij, env.nlist, arguments[2], nnei=20
        )
        assert [x.shape.as_list() for x in env] == [[2, 280 * w] for w in (4, 12, 3, 1, 1, 1)]
        assert force.shape.as_list() == [2, 42]
        assert virial.shape.as_list() == [2, 9] and atom_virial.shape.as_list() == [2, 126]
        return force

    run(arguments[0])
