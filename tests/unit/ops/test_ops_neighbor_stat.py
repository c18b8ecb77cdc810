"""Neighbor counts and nearest distances against the list of neighbors itself."""

import numpy as np
import pytest
import tensorflow as tf

from .cases import BOXES, neighbors, random_case


def run(ops, case, dtype=tf.float64):
    box = case.box if case.periodic else np.zeros_like(case.box)
    return [
        x.numpy()
        for x in ops.neighbor_stat(
            tf.constant(case.coord, dtype),
            tf.constant(case.atype),
            tf.constant(box, dtype),
            rcut=case.rcut,
            ntypes=2,
        )
    ]


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
@pytest.mark.parametrize("box", [*BOXES, "open"])
def test_counts_and_distances(either, box, dtype):
    case = random_case(box)
    min_dist2, count = run(either, case, dtype)
    assert min_dist2.dtype == dtype.as_numpy_dtype and count.dtype == np.int32
    for f, i in np.ndindex(*case.atype.shape):
        found = neighbors(case, f, i) if case.atype[f, i] >= 0 else []
        types = [case.atype[f, j] for _, j in found]
        np.testing.assert_array_equal(count[f, i], [types.count(0), types.count(1)])
        nearest = found[0][0] @ found[0][0] if found else np.inf
        np.testing.assert_allclose(
            min_dist2[f, i], nearest, rtol=1e-10 if dtype == tf.float64 else 1e-5
        )


def test_counts_are_what_the_environment_matrix_keeps(compiled):
    case = random_case("triclinic", natoms=60, nnei=200)
    _, count = run(compiled, case)
    nmask = case.mix(compiled)[5].reshape(2, 60, 200)
    np.testing.assert_array_equal(count.sum(axis=2), nmask.sum(axis=2))
    assert 0 < count.sum(axis=2).max() < 200


def test_coinciding_atoms_have_distance_zero(either):
    case = random_case("cubic", virtual=False)
    case.coord[1, 3] = case.coord[1, 7]
    min_dist2, _ = run(either, case)
    assert (min_dist2 < 1e-25).sum() == 2 and min_dist2[1, 3] < 1e-25


@pytest.mark.parametrize("nframes, natoms", [(0, 4), (2, 0)])
def test_nothing_to_count(either, nframes, natoms):
    min_dist2, count = run(either, random_case("cubic", nframes=nframes, natoms=natoms))
    assert min_dist2.shape == (nframes, natoms) and count.shape == (nframes, natoms, 2)


def test_bad_input(compiled):
    case = random_case("cubic")
    case.coord[1, 2, 0] = np.nan
    with pytest.raises(tf.errors.InvalidArgumentError, match="frame 1: the coordinates of atom 2"):
        run(compiled, case)
    case = random_case("cubic")
    case.atype[0, 1] = 2
    with pytest.raises(tf.errors.InvalidArgumentError, match="frame 0: atom 1 has type 2"):
        run(compiled, case)
    flat = random_case("cubic").box.copy()
    flat[:, 6:] = 0
    with pytest.raises(tf.errors.InvalidArgumentError, match="frame 0: the box has no volume"):
        run(compiled, random_case("cubic").with_(box=flat))
