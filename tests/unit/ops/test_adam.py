"""A step of Adam on all weights at once: the bits of single operations."""

import numpy as np
import pytest
import tensorflow as tf

from deepattn import ops
from deepattn.ops.loader import own_ops

pytestmark = pytest.mark.usefixtures("compiled")

SHAPES = [(), (7,), (3, 5), (130, 99), (0,)]
NUMBERS = {"rate": 1.7e-3, "left_of_beta_1": 0.1, "left_of_beta_2": 1e-3, "epsilon": 1e-8}
MORE = {
    "Adam": {},
    "Adam of PyTorch": {"left": 0.0297},
    "decay": {"left": 0.0297, "decay": 1.3e-6},
    "penalty": {"l2": 1e-2},
}


def variables(dtype):
    """Weights, and moments of which the second are positive."""
    rng = np.random.default_rng(0)
    parts = [[rng.normal(size=shape) for shape in SHAPES] for _ in range(3)]
    parts[2] = [np.square(x) for x in parts[2]]
    return [[tf.Variable(x, dtype=dtype) for x in part] for part in parts]


def train(dtype, more, *, steps=3):
    """Variables after some steps, as arrays."""
    parts = variables(dtype)
    numbers = ops.AdamNumbers(
        **{name: tf.constant(x, dtype) for name, x in (NUMBERS | more).items()}
    )

    @tf.function(autograph=False)
    def step(grads):
        ops.adam_step(*parts, grads, numbers)

    for seed in range(steps):
        rng = np.random.default_rng(10 + seed)
        step([tf.constant(rng.normal(size=shape), dtype) for shape in SHAPES])
    return [x.numpy() for part in parts for x in part]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", MORE)
def test_same_bits_as_single_operations(instruction_set, dtype, kind):
    compiled = train(dtype, MORE[kind])
    with ops.plain():
        plain = train(dtype, MORE[kind])
    for one, other in zip(compiled, plain, strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_was_read_before_stays():
    parts = variables("float64")
    grads = [tf.ones(shape, tf.float64) for shape in SHAPES]
    numbers = ops.AdamNumbers(**{n: tf.constant(x, tf.float64) for n, x in NUMBERS.items()})

    @tf.function(autograph=False)
    def step():
        before = [tf.convert_to_tensor(x) for x in parts[0]]
        ops.adam_step(*parts, grads, numbers)
        return before, [tf.convert_to_tensor(x) for x in parts[0]]

    expected = [x.numpy() for x in parts[0]]
    before, after = step()
    for read, array, moved in zip(before, expected, after, strict=True):
        np.testing.assert_array_equal(read, array)
        assert array.size == 0 or not np.array_equal(moved, array)


def test_types_without_a_kernel_are_moved_by_single_operations():
    parts = [[tf.Variable([1.0], dtype=tf.bfloat16)] for _ in range(3)]
    numbers = {n: tf.constant(x, tf.bfloat16) for n, x in (NUMBERS | {"rate": 0.5}).items()}
    ops.adam_step(*parts, [tf.ones([1], tf.bfloat16)], ops.AdamNumbers(**numbers))
    assert parts[0][0].numpy() != 1


@pytest.mark.parametrize(
    ("grad", "numbers", "message"),
    [
        (tf.ones([3]), tf.ones([7]), r"a gradient must be like its variable, float \[2\], not"),
        (tf.ones([2]), tf.ones([6]), r"numbers must have the shape \[7\]"),
    ],
)
def test_what_does_not_fit_is_refused(grad, numbers, message):
    kept = [tf.Variable([1.0, 2.0]) for _ in range(3)]
    handles = [[variable.handle] for variable in kept]
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        own_ops().deepattn_adam(*handles, [grad], numbers)
