"""The CUDA library's pair embedding, compiled for the host, against the reference."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from cuda_calls import CudaError
from cuda_embedding_calls import TAKEN, pair_embedding

from deepattn.ops import reference

# Equal, doubling and other widths; wider than a tile of a product.
NETS = {"usual": (1, 25, 50, 100), "wide": (17, 17, 3), "single": (2, 5), "tiles": (3, 70, 140)}


def draw(net, nrows, *, scaled=True, steps=True, dtype=np.float64, seed=0):
    """Inputs of the op, in its order, the layers as three lists."""
    rng = np.random.default_rng(seed)
    pairs = list(itertools.pairwise(NETS[net]))

    def array(*shape):
        return rng.normal(scale=0.7, size=shape).astype(dtype)

    layers = [
        [array(*pair) for pair in pairs],
        [array(out) for _, out in pairs],
        [array(out if steps and out in (n, 2 * n) else 0) for n, out in pairs],
    ]
    index = np.sort(rng.integers(0, 3, nrows if scaled else 0)).astype(np.int32)
    weight = array(nrows if scaled else 0)
    return [array(nrows, NETS[net][0]), weight, index, array(3 * scaled, NETS[net][-1]), *layers]


def cotangents(inputs):
    """What the backward passes take besides."""
    rng = np.random.default_rng(1)
    shapes = {"grad_output": (len(inputs[0]), inputs[-2][-1].shape[0])}
    shapes |= {"grad_grad_input": inputs[0].shape, "grad_grad_weight": inputs[1].shape}
    return {key: rng.normal(size=s).astype(inputs[0].dtype) for key, s in shapes.items()}


def by_cuda(library, inputs):
    """The results of all passes."""
    given = cotangents(inputs)
    grad = {"grad_output": given["grad_output"]}
    passes = {
        "forward": pair_embedding(library, "forward", inputs),
        "backward": pair_embedding(library, "backward", inputs, **grad),
        "rows alone": pair_embedding(library, "backward", inputs, with_sums=False, **grad),
        "double backward": pair_embedding(library, "double_backward", inputs, **given),
    }
    return {name: prepared.results() for name, prepared in passes.items()}


def by_reference(inputs, dtype=np.float64):
    """The same."""

    def tensors(arrays):
        return [tf.constant(x, x.dtype if x.dtype == np.int32 else dtype) for x in arrays]

    flat = tensors([*inputs[:4], *(x for kind in inputs[4:] for x in kind)])
    grad, *grad_grads = tensors(cotangents(inputs).values())
    backward = reference.pair_embedding_backward(grad, *flat)
    results = {
        "forward": [reference.pair_embedding(*flat)],
        "backward": backward,
        "rows alone": backward[:2],
        "double backward": reference.pair_embedding_double_backward(grad, *grad_grads, *flat),
    }
    return {name: [x.numpy() for x in values] for name, values in results.items()}


def error(values, exact):
    """The largest difference, in units of the largest number of each tensor."""
    return max(
        abs(x - y).max(initial=0.0) / abs(y).max(initial=1e-30)
        for x, y in zip(values, exact, strict=True)
    )


@pytest.mark.parametrize(
    ("net", "nrows", "scaled", "steps"),
    [
        *(("usual", 200, scaled, steps) for scaled in (True, False) for steps in (True, False)),
        *(("wide", nrows, True, True) for nrows in (0, 1, 64, 65)),
        ("single", 70, True, False),
        ("tiles", 70, True, True),
    ],
)
def test_float64_equals_the_reference(cuda_host, net, nrows, scaled, steps):
    inputs = draw(net, nrows, scaled=scaled, steps=steps)
    exact = by_reference(inputs)
    for name, found in by_cuda(cuda_host, inputs).items():
        assert error(found, exact[name]) < 1e-12, name


@pytest.mark.parametrize("net", NETS)
def test_float32_is_as_exact_as_the_reference(cuda_host, net):
    """Errors against float64, over random cases."""
    ours, reference_own = {}, {}
    for seed in range(4):
        inputs = draw(net, 70, dtype=np.float32, seed=seed)
        exact, plain = by_reference(inputs), by_reference(inputs, np.float32)
        for name, found in by_cuda(cuda_host, inputs).items():
            ours[name] = ours.get(name, 0.0) + error(found, exact[name])
            reference_own[name] = reference_own.get(name, 0.0) + error(plain[name], exact[name])
    for name, total in ours.items():
        assert total <= 2 * reference_own[name], name


def test_order_within_a_step_does_not_matter(cuda_order):
    inputs = draw("usual", 200, dtype=np.float32)
    found = by_cuda(cuda_order, inputs)
    cuda_order.deepattn_cuda_host_order(0)
    for name, values in by_cuda(cuda_order, inputs).items():
        for one, other in zip(found[name], values, strict=True):
            np.testing.assert_array_equal(one, other)


def test_what_does_not_fit_is_told(cuda_host):
    inputs = draw("single", 7)
    inputs[2][4] = 3
    given = cotangents(inputs)
    for number, (name, taken) in enumerate(TAKEN.items()):
        prepared = pair_embedding(cuda_host, name, inputs, **{key: given[key] for key in taken})
        with pytest.raises(CudaError, match="4 has a slot with an index that is not below the num"):
            prepared.results()
        for rows in prepared.outputs[: 1 if number == 0 else number + 1]:  # not the sums
            nan = np.isnan(rows.reshape(7, -1))
            assert nan[4].all() and nan.sum() == nan[4].size
    wide = [np.zeros((0, 1)), *(np.zeros(0, t) for t in (float, np.int32)), np.zeros((0, 1 << 21))]
    layer = [[np.zeros((1, 1 << 21))], [np.zeros(1 << 21)], [np.zeros(0)]]
    with pytest.raises(CudaError, match="a layer is 2097152 wide, but at most 1048576 are"):
        pair_embedding(cuda_host, "forward", [*wide, *layer]).run()
