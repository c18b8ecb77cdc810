"""Force, virial and GELU against direct sums, in both precisions."""

import numpy as np
import pytest
import tensorflow as tf

from deepattn.ops import reference

from .cases import random_case


def direct_sums(net_deriv, in_deriv, rij, nlist, nall):
    """Force and per-atom virial by one loop over pairs."""
    nframes, npairs = nlist.shape
    t = np.einsum(
        "fpa,fpad->fpd",
        net_deriv.reshape(nframes, npairs, 4),
        in_deriv.reshape(nframes, npairs, 4, 3),
    )
    force, virial = np.zeros((nframes, nall, 3)), np.zeros((nframes, nall, 3, 3))
    for f, p in np.argwhere(nlist >= 0):
        force[f, p // (npairs // nall)] -= t[f, p]
        force[f, nlist[f, p]] += t[f, p]
        virial[f, nlist[f, p]] += np.outer(t[f, p], rij.reshape(nframes, npairs, 3)[f, p])
    return force.reshape(nframes, -1), virial.reshape(nframes, -1)


@pytest.mark.parametrize("box", ["triclinic", "below cutoff", "open"])
def test_sums(either, box):
    case = random_case(box)
    _, in_deriv, rij, nlist, _, _ = case.mix(reference)
    net_deriv = np.random.default_rng(0).normal(size=(2, nlist.shape[1] * 4))
    force, atoms = direct_sums(net_deriv, in_deriv, rij, nlist, 14)
    arguments = [tf.constant(x) for x in (net_deriv, in_deriv)]
    natoms = tf.constant(case.natoms)
    got = either.prod_force_se_a(*arguments, nlist, natoms, nnei=case.nnei)
    np.testing.assert_allclose(got, force, rtol=1e-12, atol=1e-12)
    virial, got = either.prod_virial_se_a(*arguments, rij, nlist, natoms, nnei=case.nnei)
    np.testing.assert_allclose(got, atoms, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(virial, atoms.reshape(2, 14, 9).sum(axis=1), atol=1e-11)


def test_float32_is_as_accurate_as_the_reference(compiled):
    # Large enough that a frame is summed in several parts.
    case = random_case("triclinic", natoms=400, nnei=100)
    nlist = case.mix(compiled)[3]
    rng = np.random.default_rng(0)
    single = [
        rng.normal(size=(2, nlist.shape[1] * width)).astype(np.float32) for width in (4, 12, 3)
    ]
    natoms = tf.constant(case.natoms)

    def results(ops, dtype):
        net, deriv, rij = (tf.constant(x, dtype) for x in single)
        return [
            ops.prod_force_se_a(net, deriv, nlist, natoms, nnei=100),
            *ops.prod_virial_se_a(net, deriv, rij, nlist, natoms, nnei=100),
        ]

    exact = results(reference, tf.float64)
    for got, plain, want in zip(
        results(compiled, tf.float32), results(reference, tf.float32), exact, strict=True
    ):
        assert got.dtype == tf.float32
        error = np.abs(got.numpy() - want).max()
        assert error <= 2 * np.abs(plain.numpy() - want).max()
    for got, want in zip(results(compiled, tf.float64), exact, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
def test_gelu(either, dtype):
    x = np.linspace(-9, 9, 2001).reshape(3, 667)
    exact = 0.5 * x * (1 + np.tanh(0.7978845608028654 * (x + 0.044715 * x**3)))
    got = either.gelu(tf.constant(x, dtype))
    assert got.dtype == dtype and got.shape == x.shape
    tolerance = 1e-15 if dtype == tf.float64 else 1e-6
    np.testing.assert_allclose(got, exact, rtol=0, atol=10 * tolerance)


def test_gelu_of_nothing(either):
    assert either.gelu(tf.zeros((0, 3))).shape == (0, 3)
