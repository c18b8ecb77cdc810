"""Neighbor lists that the caller brings, inline or by address, against lists made inside."""

import ctypes

import numpy as np
import pytest
import tensorflow as tf

from .cases import explicit_ghosts, inline_mesh, random_case


def pointer_mesh(rows, order, rows_claimed=None):
    """A mesh of addresses, and what must outlive its use."""
    ilist = np.array(order, np.int32)
    counts = np.array([len(rows[i]) for i in order], np.int32)
    entries = [np.array(rows[i], np.int32) for i in order]
    first = (ctypes.c_void_p * len(entries))(*[row.ctypes.data for row in entries])
    mesh = np.zeros(16, np.int32)
    mesh[1] = len(order) if rows_claimed is None else rows_claimed
    for at, address in ((4, ilist.ctypes.data), (8, counts.ctypes.data)):
        mesh[at : at + 2] = np.array([address], np.int64).view(np.int32)
    mesh[12:14] = np.array([ctypes.addressof(first)], np.int64).view(np.int32)
    return mesh, (ilist, counts, entries, first)


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
def test_inline_list_equals_the_periodic_one(either, dtype):
    case = random_case("triclinic", nframes=1)
    inside = case.mix(either, dtype)
    ghosted, rows = explicit_ghosts(case)
    listed = ghosted.with_(mesh=inline_mesh(rows)).mix(either, dtype)
    tolerance = 1e-11 if dtype == tf.float64 else 1e-4
    for k in (0, 1, 2):
        np.testing.assert_allclose(listed[k], inside[k], rtol=tolerance, atol=tolerance)
    # Ghosts keep their own numbers; modulo the atoms they are images in shells of the same order.
    np.testing.assert_array_equal(
        np.where(listed[3] < 0, -1, listed[3] % case.atype.shape[1]), inside[3]
    )
    np.testing.assert_array_equal(listed[4], inside[4])


def test_order_of_rows_and_of_entries_does_not_matter(either):
    ghosted, rows = explicit_ghosts(random_case("triclinic", nframes=1))
    expected = ghosted.with_(mesh=inline_mesh(rows)).mix(either)
    rng = np.random.default_rng(1)
    shuffled = [list(rng.permutation(row)) for row in rows]
    mesh = inline_mesh(shuffled, rng.permutation(len(rows)))
    for got, want in zip(ghosted.with_(mesh=mesh).mix(either), expected, strict=True):
        np.testing.assert_array_equal(got, want)


def test_list_of_unknown_length_in_a_graph(either):
    ghosted, rows = explicit_ghosts(random_case("triclinic", nframes=1))
    case = ghosted.with_(mesh=inline_mesh(rows))
    arguments = case.arguments()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32)])
    def run(mesh):
        inputs = [*arguments[:4], mesh, *arguments[5:]]
        return either.prod_env_mat_a_mix(*inputs, rcut=4.3, rcut_smth=0.8, nnei=case.nnei)

    for got, want in zip(run(arguments[4]), case.mix(either), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-13, atol=1e-13)


def test_the_list_serves_every_frame(either):
    ghosted, rows = explicit_ghosts(random_case("triclinic", nframes=1))
    one = ghosted.with_(mesh=inline_mesh(rows))
    two = one.with_(
        coord=np.repeat(one.coord, 2, axis=0),
        atype=np.repeat(one.atype, 2, axis=0),
        box=np.repeat(one.box, 2, axis=0),
    )
    for got, want in zip(two.mix(either), one.mix(either), strict=True):
        np.testing.assert_array_equal(got, np.repeat(want, 2, axis=0))


def test_addresses_equal_the_inline_list(compiled):
    ghosted, rows = explicit_ghosts(random_case("triclinic", nframes=1))
    order = np.random.default_rng(2).permutation(len(rows))
    mesh, kept = pointer_mesh(rows, order)
    by_address = ghosted.with_(mesh=mesh).mix(compiled)
    assert kept
    inline = ghosted.with_(mesh=inline_mesh(rows)).mix(compiled)
    for got, want in zip(by_address, inline, strict=True):
        np.testing.assert_array_equal(got, want)


def test_addresses_of_a_list_with_too_few_rows(compiled):
    ghosted, rows = explicit_ghosts(random_case("triclinic", nframes=1))
    mesh, kept = pointer_mesh(rows, range(len(rows)), rows_claimed=len(rows) - 1)
    with pytest.raises(tf.errors.InvalidArgumentError, match="list of 13 rows for 14 local atoms"):
        ghosted.with_(mesh=mesh).mix(compiled)
    assert kept


def test_null_addresses(compiled):
    mesh = np.zeros(16, np.int32)
    mesh[1] = 14
    with pytest.raises(tf.errors.InvalidArgumentError, match="null address"):
        random_case("open", nframes=1).with_(mesh=mesh).mix(compiled)
