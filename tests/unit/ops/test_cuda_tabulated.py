"""Tables on the CUDA sources, compiled for the host, against the CPU's ops and their reference."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from cuda_calls import CudaError, TabulatedShape, tabulated

from deepattn.ops import loader, reference

from .tabulated_cases import NATOMS, NNEI, draw, stock_case

pytestmark = pytest.mark.usefixtures("compiled")

PRECISIONS = ["float32", "float64"]


def close(got, expected):
    for of_cuda, of_cpu in zip(got, expected, strict=True):
        scale = abs(of_cpu.numpy()).max()
        tolerance = 64 * np.finfo(of_cuda.dtype).eps * scale
        np.testing.assert_allclose(of_cuda.reshape(of_cpu.shape), of_cpu, rtol=0, atol=tolerance)


def own_call(kind, inputs, width):
    """Shape and arrays of a call, from the inputs of an op of our own."""
    table, info, rows, weight, index, factors, *matrix = (x.numpy() for x in inputs)
    arrays = {"table": table, "range": info, "rows": rows, "index": index, "factors": factors}
    if weight.size:
        arrays["weight"] = weight
    if kind == "contraction":
        arrays["matrix"] = matrix[0]
    ntables, nrows, _, stride = table.shape
    contracted = int(kind == "contraction")
    shape = TabulatedShape(
        NATOMS, NNEI, width, stride, ntables, nrows, len(factors), contracted, 0, 0
    )
    return shape, arrays


TABLES = [(1, 0, False), (1, 3, True), (3, 3, False)]
CASES = list(itertools.product(["embedding", "contraction"], [1, 33, 130], TABLES))


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize(("kind", "width", "tables"), CASES)
def test_own(cuda_order, kind, width, tables, dtype):
    inputs = draw(width, *tables, dtype=dtype)
    inputs = inputs if kind == "contraction" else inputs[:-1]
    shape, arrays = own_call(kind, inputs, width)
    ops = loader.own_ops()
    value = getattr(ops, f"deepattn_tabulated_{kind}")(*inputs, width=width)
    close(tabulated(cuda_order, "forward", shape, **arrays).results(), [value])
    grad = tf.cos(value)
    expected = getattr(ops, f"deepattn_tabulated_{kind}_grad")(*inputs, grad, width=width)
    expected = [x for x in expected if x.shape.rank > 1]  # no weights, no gradient by them
    got = tabulated(cuda_order, "backward", shape, **arrays, grad_output=grad.numpy()).results()
    close(got, expected)

    grad_grads = [np.random.default_rng(2).normal(size=x.shape).astype(x.dtype) for x in got]
    sources = [inputs[2], *([inputs[3]] if "weight" in arrays else []), *inputs[6:]]
    with tf.GradientTape() as outer:
        outer.watch(grad)
        with tf.GradientTape() as inner:
            inner.watch(sources)
            expected = getattr(reference, f"tabulated_{kind}")(*inputs, width=width)
        gradients = inner.gradient(expected, sources, output_gradients=grad)
        total = tf.add_n([tf.reduce_sum(x * y) for x, y in zip(gradients, grad_grads, strict=True)])
    of_rows, *rest = grad_grads
    of_weight = rest.pop(0) if "weight" in arrays else None
    order = [of_rows, rest.pop() if rest else None, of_weight, None]
    close(
        tabulated(
            cuda_order,
            "double_backward",
            shape,
            grad_grads=order,
            **arrays,
            grad_output=grad.numpy(),
        ).results(),
        [outer.gradient(total, grad)],
    )


def stock_call(inputs, width, is_sorted, factors):
    table, info, em_x, em, two = (x.numpy() for x in inputs)
    shape = TabulatedShape(
        NATOMS, NNEI, width, width, 1, len(table), NATOMS * NNEI if factors else 0, 1, 1, is_sorted
    )
    arrays = {"table": table, "range": info, "rows": em_x, "matrix": em}
    return shape, arrays | ({"factors": two} if factors else {})


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("is_sorted", [False, True])
def test_stock(cuda_order, is_sorted, dtype):
    inputs = [tf.cast(x, dtype) for x in stock_case(5, [4, 7, 0, 6, 1])]
    ops, options = loader.compat_ops(), {"is_sorted": is_sorted}
    shape, arrays = stock_call(inputs, 5, is_sorted, True)
    value = ops.tabulate_fusion_se_atten(*inputs, last_layer_size=5, **options)
    close(tabulated(cuda_order, "forward", shape, **arrays).results(), [value])
    grad = tf.cos(value)
    expected = ops.tabulate_fusion_se_atten_grad(*inputs, grad, value, **options)
    close(
        tabulated(cuda_order, "backward", shape, **arrays, grad_output=grad.numpy()).results(),
        expected,
    )
    if is_sorted:
        return
    grad_grads = [np.random.default_rng(3).normal(size=x.shape).astype(dtype) for x in expected]
    with tf.GradientTape() as outer:
        outer.watch(grad)
        with tf.GradientTape() as inner:
            inner.watch(inputs[2:])
            expected = reference.tabulate_fusion_se_atten(*inputs, last_layer_size=5)
        gradients = inner.gradient(expected, inputs[2:], output_gradients=grad)
        total = tf.add_n([tf.reduce_sum(x * y) for x, y in zip(gradients, grad_grads, strict=True)])
    order = [grad_grads[0], grad_grads[1], None, grad_grads[2]]
    close(
        tabulated(
            cuda_order,
            "double_backward",
            shape,
            grad_grads=order,
            **arrays,
            grad_output=grad.numpy(),
        ).results(),
        [outer.gradient(total, grad)],
    )


def test_stock_without_factors(cuda_order):
    inputs = stock_case(5, [4, 7, 0, 6, 1])
    shape, arrays = stock_call(inputs, 5, 1, False)
    expected = loader.compat_ops().tabulate_fusion_se_a(*inputs[:4], last_layer_size=5)
    close(tabulated(cuda_order, "forward", shape, **arrays).results(), [expected])


def test_wrong_inputs(cuda_order):
    inputs = draw(5, 1, 3, False)
    shape, arrays = own_call("contraction", inputs, 5)
    arrays["index"][2, 1] = 3
    with pytest.raises(CudaError, match="atom 2 has a slot with an index that is not below"):
        tabulated(cuda_order, "forward", shape, **arrays).results()
    shape.nrows = 12
    with pytest.raises(CudaError, match="the table has 12 rows, which do not fit its range: from"):
        tabulated(cuda_order, "forward", shape, **arrays).results()
    shape.nrows, shape.is_sorted, shape.contracted = 30, 1, 0
    with pytest.raises(CudaError, match="sorted slots need a matrix"):
        tabulated(cuda_order, "forward", shape, **arrays).results()
