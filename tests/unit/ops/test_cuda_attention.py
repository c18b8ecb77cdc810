"""The CUDA library's gated attention, compiled for the host, against the reference."""

import numpy as np
import pytest
import tensorflow as tf
from cuda_attention_calls import PASSES, CudaAttention, batch_of
from cuda_calls import CudaError

from deepattn.ops import reference

from .attention_cases import LN_EPS, OPTIONS, SIZES, make_case, worst_error

# One slot and several tiles of a product; slots, atoms and blocks of which nothing has weight.
CUDA_SIZES = {
    **SIZES,
    "seven": (3, 7, 3, 5, (7, 0, 4), 2),
    "more than a tile": (1, 133, 65, 70, (130,), 3),
}
USUAL = (2, 120, 100, 128, (120, 93), 18)


def describe(options):
    return "-".join(name for name, on in options.items() if on) or "none"


each_option = pytest.mark.parametrize("options", OPTIONS, ids=describe)


def outer_grad_output(case):
    return np.random.default_rng(1).normal(size=case.grad.shape)


def prepare(library, case, options, dtype=np.float64):
    return CudaAttention(library, batch_of(case, outer_grad_output(case), options, LN_EPS, dtype))


def by_cuda(library, case, options, dtype):
    """All passes, one after the other."""
    attention = prepare(library, case, options, dtype)
    results = {
        "forward": attention.run("forward"),
        "backward": attention.run("backward", with_sums=True),
        "backward by slots": attention.run("backward"),
        "tangent": attention.run("tangent"),
        "reverse": attention.run("reverse", with_sums=True),
    }
    return comparable(results, options)


def by_reference(case, options, dtype=np.float64):
    """The same."""

    def tensors(arrays):
        return [tf.constant(x, dtype) for x in arrays]

    numbers = tensors([case.padding, LN_EPS])
    inputs = [*tensors(case.slots), case.count, *numbers, *tensors(case.parameters)]
    grad, grad_grads = tf.constant(case.grad, dtype), tensors(case.grad_grads)
    backward = reference.gated_attention_backward(grad, *inputs, **options)
    last = tf.constant(outer_grad_output(case), dtype)
    results = {
        "forward": [reference.gated_attention(*inputs, **options)],
        "backward": backward,
        "backward by slots": backward[:3],
        "tangent": [reference.gated_attention_tangent(*grad_grads, *inputs, **options)],
        "reverse": reference.gated_attention_reverse(grad, *grad_grads, last, *inputs, **options),
    }
    return comparable({k: [x.numpy() for x in v] for k, v in results.items()}, options)


def comparable(results, options):
    """Without gradients by weights that are a mask, which have none."""
    if options["smooth"]:
        return results
    return {name: [*x[:2], *x[3:]] if len(x) > 1 else x for name, x in results.items()}


def check_float64(library, size, options):
    case = make_case(size, smooth=options["smooth"])
    exact = by_reference(case, options)
    for name, found in by_cuda(library, case, options, np.float64).items():
        assert worst_error(found, exact[name]) < 1e-12, name


@each_option
def test_float64_equals_the_reference(cuda_host, options):
    check_float64(cuda_host, "odd", options)


@pytest.mark.parametrize("smooth", [True, False])
@pytest.mark.parametrize("size", CUDA_SIZES)
def test_sizes(cuda_host, size, smooth):
    check_float64(
        cuda_host, CUDA_SIZES[size], {"dotr": smooth, "mask": size == "many", "smooth": smooth}
    )


@pytest.mark.parametrize("smooth", [True, False])
def test_float32_is_as_exact_as_the_reference(cuda_host, smooth):
    """Errors against float64, over random cases, in units of the largest number."""
    ours, reference_own = {}, {}
    for options in OPTIONS:
        if options["smooth"] is not smooth:
            continue
        for size, seed in [("odd", 0), ("many", 0), ("many", 1)]:
            case = make_case(size, smooth=smooth, seed=seed)
            exact = by_reference(case, options)
            for errors, results in (
                (ours, by_cuda(cuda_host, case, options, np.float32)),
                (reference_own, by_reference(case, options, np.float32)),
            ):
                for name, values in results.items():
                    errors[name] = errors.get(name, 0.0) + worst_error(values, exact[name])
    for name, error in ours.items():
        assert error <= 2 * reference_own[name], name


@pytest.mark.parametrize("smooth", [True, False])
def test_usual_size_in_float32(cuda_host, smooth):
    options = {"dotr": True, "mask": False, "smooth": smooth}
    case = make_case(USUAL, smooth=smooth)
    exact, plain = by_reference(case, options), by_reference(case, options, np.float32)
    for name, found in by_cuda(cuda_host, case, options, np.float32).items():
        assert worst_error(found, exact[name]) <= 2 * worst_error(plain[name], exact[name]), name


def test_order_within_a_step_does_not_matter(cuda_order):
    options = {"dotr": True, "mask": True, "smooth": True}
    case = make_case("odd", smooth=True)
    found = by_cuda(cuda_order, case, options, np.float32)
    cuda_order.deepattn_cuda_host_order(0)
    for name, values in by_cuda(cuda_order, case, options, np.float32).items():
        for one, other in zip(found[name], values, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("size", [(0, 5, 3, 2, (), 0), (3, 0, 4, 2, (0, 0, 0), 2)])
def test_nothing_to_attend_to(cuda_host, size):
    attention = prepare(cuda_host, make_case(size, smooth=True), OPTIONS[0])
    assert attention.run("forward")[0].size == 0
    assert not any(x.any() for x in attention.run("backward", with_sums=True)[3:])


def test_what_does_not_fit_is_told(cuda_host):
    attention = prepare(cuda_host, make_case("odd", smooth=True), OPTIONS[0])
    for count in (-3, 14):
        attention.arrays["count"][1] = count
        for name in PASSES:
            prepared = attention.prepare(name, with_sums=name == "reverse")
            with pytest.raises(CudaError, match="atom 1 has a count that is negative or larger"):
                prepared.results()
            for rows in prepared.outputs[: 1 if name in ("forward", "tangent") else 3]:
                nan = np.isnan(rows.reshape(len(rows), -1))
                assert nan[1].all() and nan.sum() == nan[1].size
    attention.batch.padding = -2
    with pytest.raises(CudaError, match="padding is -2, but must not be negative"):
        attention.run("forward")
    attention.batch.padding = 0
    attention.batch.shape.natoms, attention.batch.shape.width = 0, 1 << 21
    with pytest.raises(CudaError, match="2097152 columns of the embedding and 11 of the attention"):
        attention.run("forward")
