"""Rotation invariants as a compiled op: equal to their reference, with derivatives of any order."""

import contextlib

import numpy as np
import pytest
import tensorflow as tf

from deepattn import ops
from deepattn.ops.loader import cpu_ops

from .derivatives import assert_equal, third_derivatives, values_and_gradients

pytestmark = pytest.mark.skipif(cpu_ops() is None, reason="the compiled ops are not there")

ORDERS = pytest.mark.parametrize("axis_first", [True, False])
# Whole vectors and not.
SIZES = pytest.mark.parametrize(("width", "axis"), [(32, 4), (100, 12), (5, 5), (1, 1)])


def draw(width, columns=4, natoms=3, dtype="float64"):
    rng = np.random.default_rng(0)
    return tf.constant(rng.normal(size=[natoms, columns, width]), dtype)


def results_of(rows, axis, axis_first, *, plain):
    with ops.plain() if plain else contextlib.nullcontext():
        return values_and_gradients(
            lambda x: ops.invariants(x, axis, axis_first=axis_first), [rows], [rows], []
        )


@ORDERS
@SIZES
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_equal_their_reference(width, axis, axis_first, dtype):
    rows = draw(width, dtype=dtype)
    compiled, plain = (results_of(rows, axis, axis_first, plain=p) for p in (False, True))
    assert_equal(compiled, plain, exactness=1e-13 if dtype == "float64" else 3e-6)


@ORDERS
def test_formula(axis_first):
    rows = draw(5).numpy()
    order = "nca,ncm->nam" if axis_first else "nca,ncm->nma"
    expected = np.einsum(order, rows[:, :, :2], rows).reshape(3, -1)
    found = ops.invariants(tf.constant(rows), 2, axis_first=axis_first)
    np.testing.assert_allclose(found, expected, rtol=1e-14, atol=1e-14)


@ORDERS
def test_third_derivatives_are_those_of_the_reference(axis_first):
    rows = draw(5, columns=3)

    def cubes(x):
        return ops.invariants(x, 2, axis_first=axis_first) ** 3

    compiled = third_derivatives(cubes, rows)
    with ops.plain():
        plain = third_derivatives(cubes, rows)
    assert_equal([compiled], [plain], exactness=1e-11)


def test_invariants_do_not_turn():
    rows = draw(5, columns=3)
    turn = tf.linalg.qr(tf.constant(np.random.default_rng(1).normal(size=[3, 3])))[0]
    turned = tf.einsum("cd,ndm->ncm", turn, rows)
    np.testing.assert_allclose(ops.invariants(turned, 3), ops.invariants(rows, 3), atol=1e-13)


def test_no_atoms_give_nothing():
    assert ops.invariants(draw(5, natoms=0), 2).shape == (0, 10)


@pytest.mark.parametrize("axis", [0, 6])
def test_there_are_as_many_columns(axis):
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"axis must be 1 to 5.*not {axis}"):
        ops.invariants(draw(5), axis)
