"""The environment matrix of the CUDA sources, compiled for the host, against the CPU's."""

import ctypes

import numpy as np
import pytest
import tensorflow as tf
from cuda_calls import OPEN, CudaError, EnvMatShape, Neighbors, call, env_mat

from .cases import BOXES, explicit_ghosts, inline_mesh, random_case

BOX_NAMES = [*BOXES, "open"]


def compare(got, expected, dtype):
    """Neighbors are chosen alike to the last bit; values differ by a rounding."""
    for of_cuda, of_cpu in zip(got[3:], expected[3:], strict=True):
        np.testing.assert_array_equal(of_cuda, of_cpu)
    np.testing.assert_array_equal(got[2], expected[2])
    for of_cuda, of_cpu in zip(got[:2], expected[:2], strict=True):
        scale = abs(of_cpu).max(initial=1)
        np.testing.assert_allclose(of_cuda, of_cpu, rtol=0, atol=4 * np.finfo(dtype).eps * scale)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("box", BOX_NAMES)
def test_mix(cuda_order, compiled, box, dtype):
    case = random_case(box)
    compare(
        env_mat(cuda_order, case, dtype).results(), case.mix(compiled, tf.as_dtype(dtype)), dtype
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("box", BOX_NAMES)
def test_blocks_by_type(cuda_order, compiled, box, dtype):
    case, sel = random_case(box, nnei=40), [12, 28]
    expected = case.blocks(compiled, sel, tf.as_dtype(dtype))
    compare(env_mat(cuda_order, case, dtype, sel=sel).results(), expected, dtype)


def test_many_more_neighbors_than_slots(cuda_order, compiled):
    """More than there is room for at once: the best are kept again and again."""
    case = random_case("triclinic", natoms=700, nframes=1, nnei=17, seed=3)
    compare(
        env_mat(cuda_order, case, np.float32).results(), case.mix(compiled, tf.float32), np.float32
    )
    sel = [9, 8]
    expected = case.blocks(compiled, sel, tf.float32)
    compare(env_mat(cuda_order, case, np.float32, sel=sel).results(), expected, np.float32)


def test_so_many_slots_that_they_do_not_fit_on_chip(cuda_order, compiled):
    case = random_case("below cutoff", natoms=9, nframes=1, nnei=2500)
    compare(env_mat(cuda_order, case, np.float64).results(), case.mix(compiled), np.float64)


@pytest.mark.parametrize("periodic", [True, False])
def test_more_atoms_than_a_block_scans(cuda_order, compiled, periodic):
    rng, box = np.random.default_rng(4), np.eye(3).reshape(1, 9) * 45.0
    case = random_case("cubic", nnei=21).with_(
        coord=rng.uniform(0, 45, (1, 4500, 3)),
        atype=rng.integers(-1, 2, (1, 4500)).astype(np.int32),
        box=box,
        periodic=periodic,
    )
    got = env_mat(cuda_order, case, np.float32).results()
    compare(got, case.mix(compiled, tf.float32), np.float32)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equidistant_neighbors(cuda_order, compiled, dtype):
    """A perfect lattice is all ties, and slots end in the middle of a shell."""
    steps = np.stack(np.meshgrid(*[np.arange(4)] * 3, indexing="ij"), -1).reshape(-1, 3)
    case = random_case("cubic", natoms=64, nframes=1, nnei=11, virtual=False).with_(
        coord=(2.7 * steps)[None].astype(float), box=np.eye(3).reshape(1, 9) * 10.8
    )
    compare(
        env_mat(cuda_order, case, dtype).results(), case.mix(compiled, tf.as_dtype(dtype)), dtype
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_listed(cuda_order, compiled, dtype):
    ghosted, rows = explicit_ghosts(random_case("triclinic", nframes=1))
    ghosted = ghosted.with_(
        coord=np.repeat(ghosted.coord, 2, axis=0),
        atype=np.repeat(ghosted.atype, 2, axis=0),
        box=np.repeat(ghosted.box, 2, axis=0),
    )
    order = np.random.default_rng(1).permutation(len(rows))
    expected = ghosted.with_(mesh=inline_mesh(rows)).mix(compiled, tf.as_dtype(dtype))
    compare(env_mat(cuda_order, ghosted, dtype, rows=rows, order=order).results(), expected, dtype)


@pytest.mark.parametrize("nframes, natoms, nnei", [(0, 5, 7), (2, 0, 7), (2, 1, 7), (2, 5, 0)])
@pytest.mark.parametrize("box", ["cubic", "open"])
def test_nothing_to_do(cuda_host, compiled, box, nframes, natoms, nnei):
    case = random_case(box, nframes=nframes, natoms=natoms, nnei=nnei, virtual=False)
    compare(env_mat(cuda_host, case, np.float64).results(), case.mix(compiled), np.float64)


def test_real_frames(cuda_host, compiled, shared):
    """Water, 192 atoms in a box that is hardly wider than two cutoffs."""
    folder = shared / "data" / "water" / "valid" / "data_2"
    coord = np.load(folder / "set.000" / "coord.npy")[:2]
    atype = np.loadtxt(folder / "type.raw", dtype=np.int32)
    case = random_case(natoms=atype.size, nnei=120).with_(
        coord=coord.reshape(2, -1, 3),
        atype=np.tile(atype, (2, 1)),
        box=np.load(folder / "set.000" / "box.npy")[:2],
        rcut=6.0,
    )
    for dtype in (np.float32, np.float64):
        got = env_mat(cuda_host, case, dtype).results()
        compare(got, case.mix(compiled, tf.as_dtype(dtype)), dtype)
        assert 60 < got[5].reshape(-1, 120).sum(axis=1).mean() < 120


def wrong(**changes):
    return random_case("triclinic", nframes=2, natoms=9, virtual=False).with_wrong(**changes)


@pytest.mark.parametrize(
    "case, sentence",
    [
        (wrong(coord=((1, 4, 2), np.nan)), "frame 1: atom 4 has coordinates that are not finite"),
        (wrong(atype=((0, 3), 2)), "frame 0: atom 3 has a type that is not below the number"),
        (wrong(box=((1, 4), np.inf)), "frame 1: the box has a value that is not finite"),
        (wrong(box=((1, slice(3, 6)), 0)), "frame 1: the box has no volume"),
        (wrong(box=((0, slice(3)), [1e-5, 0, 0])), "frame 0: the box is too thin"),
        (wrong(coord=((1, 4), wrong().coord[1, 7])), "frame 1: atom 4 is at the same place"),
    ],
)
def test_what_only_the_device_can_see(cuda_order, case, sentence):
    prepared = env_mat(cuda_order, case, np.float64)
    with pytest.raises(CudaError, match=sentence):
        prepared.results()
    assert np.isnan(prepared.outputs[0]).any()  # for those who do not ask


@pytest.mark.parametrize(
    "row, order, sentence",
    [
        ([1, 5000], None, "frame 0: atom 0 has an entry in its neighbor list that is not the"),
        ([1, 0], None, "frame 0: atom 0 is in its own neighbor list"),
        ([1], [0, 1, 1, *range(3, 14)], "frame 0: atom 1 has no row of the neighbor list, or two"),
        ([1], [0, 99, *range(2, 14)], "frame 0: atom 1 has no row of the neighbor list, or two"),
    ],
)
def test_wrong_lists(cuda_order, row, order, sentence):
    ghosted, rows = explicit_ghosts(random_case("triclinic", nframes=1, virtual=False))
    rows = [row, *rows[1:], *[[1]] * 100]
    prepared = env_mat(cuda_order, ghosted, np.float64, rows=rows, order=order)
    with pytest.raises(CudaError, match=sentence):
        prepared.results()
    assert np.isnan(prepared.outputs[0]).any()


def test_workspace_too_small(cuda_host):
    shape = ctypes.byref(EnvMatShape(1, 14, 14, 90, 2, 4.3, 0.8))
    arrays, size = [None] * 13, ctypes.c_int64(12)
    with pytest.raises(CudaError, match="the workspace has 12 bytes and must have "):
        call(
            cuda_host,
            "deepattn_cuda_env_mat_f32",
            shape,
            ctypes.byref(Neighbors(OPEN)),
            *arrays,
            size,
        )
