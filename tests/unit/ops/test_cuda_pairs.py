"""Forces, virials and their gradients of the CUDA sources, compiled for the host, against the
CPU's."""

import cuda_calls
import numpy as np
import pytest
import tensorflow as tf
from cuda_calls import CudaError

from deepattn.ops import loader

SHAPES = {  # nframes, nloc, nall, nnei
    "ghosts": (2, 7, 13, 11),
    "odd": (3, 5, 5, 129),
    "crowded": (1, 40, 41, 40),  # lists of some atoms are longer than what is ordered at once
    "one": (1, 1, 2, 1),
    "no frames": (0, 5, 5, 3),
    "no atoms": (2, 0, 0, 3),
    "no slots": (2, 4, 6, 0),
}


def random_pairs(shape, dtype, seed=0):
    """net_deriv, in_deriv, rij and nlist, a third of it padding."""
    nframes, nloc, nall, nnei = shape
    rng, slots = np.random.default_rng(seed), nloc * nnei
    low = 0 if nall < 40 else 39  # crowded: all slots hold the last two atoms
    nlist = rng.integers(low, max(nall, 1), (nframes, slots)).astype(np.int32)
    nlist[rng.random(nlist.shape) < 0.33] = -1
    arrays = [rng.normal(size=(nframes, slots * width)).astype(dtype) for width in (4, 12, 3)]
    return *arrays, nlist


def error(values, exact):
    """The largest difference, in units of the largest number of an array."""
    exact = np.asarray(exact)
    return abs(values - exact).max(initial=0) / abs(exact).max(initial=1e-30)


def check(library, function, op, names, arrays, shape):
    """Float64 is the CPU's; float32 is as exact as the CPU's float32, of the same numbers."""
    _, nloc, nall, nnei = shape
    natoms = np.array([nloc, nall, nloc], np.int32)

    def by_cpu(dtype):
        floats = [tf.cast(x, dtype) for x in arrays[:-1]]
        found = op(*floats, arrays[-1], natoms, n_a_sel=nnei, n_r_sel=0)
        return [x.numpy() for x in (found if isinstance(found, list | tuple) else [found])]

    taken = [x for name, x in zip(names, arrays, strict=True) if name]
    exact, plain = by_cpu(np.float64), by_cpu(arrays[0].dtype)
    for of_cuda, of_cpu, true in zip(
        function(library, shape, *taken).results(), plain, exact, strict=True
    ):
        bound = 1e-12 if arrays[0].dtype == np.float64 else 2 * error(of_cpu, true)
        assert error(of_cuda, true) <= bound


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", SHAPES)
def test_force(cuda_order, compiled, name, dtype):
    nframes, _, nall, _ = shape = SHAPES[name]
    net_deriv, in_deriv, _, nlist = random_pairs(shape, dtype)
    ops, arrays = loader.compat_ops(), [net_deriv, in_deriv, nlist]
    check(cuda_order, cuda_calls.force, ops.prod_force_se_a, (1, 1, 1), arrays, shape)
    grad = np.random.default_rng(1).normal(size=(nframes, 3 * nall)).astype(dtype)
    op, arrays = ops.prod_force_se_a_grad, [grad, *arrays]
    check(cuda_order, cuda_calls.force_grad, op, (1, 0, 1, 1), arrays, shape)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", SHAPES)
def test_virial(cuda_order, compiled, name, dtype):
    nframes = SHAPES[name][0]
    shape, arrays = SHAPES[name], [*random_pairs(SHAPES[name], dtype)]
    ops = loader.compat_ops()
    check(cuda_order, cuda_calls.virial, ops.prod_virial_se_a, (1, 1, 1, 1), arrays, shape)
    grad = np.random.default_rng(1).normal(size=(nframes, 9)).astype(dtype)
    op, arrays = ops.prod_virial_se_a_grad, [grad, *arrays]
    check(cuda_order, cuda_calls.virial_grad, op, (1, 0, 1, 1, 1), arrays, shape)


def test_results_do_not_depend_on_what_ran_first(cuda_host):
    """Bit for bit, though the lists are filled in any order."""
    shape = SHAPES["crowded"]
    net_deriv, in_deriv, rij, nlist = random_pairs(shape, np.float32)
    results = []
    for order in range(3):
        cuda_host.deepattn_cuda_host_order(order)
        results.extend(cuda_calls.force(cuda_host, shape, net_deriv, in_deriv, nlist).results())
        results.extend(
            cuda_calls.virial(cuda_host, shape, net_deriv, in_deriv, rij, nlist).results()
        )
    cuda_host.deepattn_cuda_host_order(0)
    for first, second, third in zip(results[:3], results[3:6], results[6:], strict=True):
        np.testing.assert_array_equal(first, second)
        np.testing.assert_array_equal(first, third)


def test_neighbor_that_is_no_atom(cuda_order):
    shape = SHAPES["ghosts"]
    net_deriv, in_deriv, rij, nlist = random_pairs(shape, np.float64)
    nlist[1, 3 * 11 + 2] = 13
    sentence = "frame 1: atom 3 has an entry in nlist that is not below the number of atoms"
    force = cuda_calls.force(cuda_order, shape, net_deriv, in_deriv, nlist)
    virial = cuda_calls.virial(cuda_order, shape, net_deriv, in_deriv, rij, nlist)
    grad = cuda_calls.force_grad(cuda_order, shape, np.zeros((2, 39)), in_deriv, nlist)
    for prepared in (force, virial, grad):
        with pytest.raises(CudaError, match=sentence):
            prepared.results()
    # Nothing of it passes for a number, and all else is one.
    center, slot = [(1, 3)], [(1, 3, 2)]
    assert places_of_nan(force.outputs[0].reshape(2, 13, 3)) == center
    assert places_of_nan(virial.outputs[1].reshape(2, 13, 9)) == center
    assert places_of_nan(virial.outputs[0]) == [(1,)]
    assert places_of_nan(grad.outputs[0].reshape(2, 7, 11, 4)) == slot


def places_of_nan(array):
    """Rows that are not numbers, by their indices; none may be so in part."""
    nan = np.isnan(array)
    np.testing.assert_array_equal(nan.any(-1), nan.all(-1))
    return [tuple(int(i) for i in row) for row in np.argwhere(nan.all(-1))]
