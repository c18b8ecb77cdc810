"""Adam against TensorFlow 1's own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepattn.optimizers import Adam, AdamW, TorchAdam
from deepattn.schedules import ExpSchedule

STEPS = 60


def _gradients(dtype):
    rng = np.random.default_rng(3)
    return [
        (rng.normal(size=(4, 3)) * 10.0 ** rng.uniform(-6, 3)).astype(dtype) for _ in range(STEPS)
    ]


def _start(dtype):
    return np.random.default_rng(1).normal(size=(4, 3)).astype(dtype)


def _tensorflow_1(dtype, beta_1, beta_2):
    """Weights after each step of ``tf.compat.v1.train.AdamOptimizer`` with a float32 rate."""
    schedule = ExpSchedule(1e-2, 1e-4, STEPS)
    rates = [schedule.value(step) for step in range(STEPS)]
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        rate = v1.placeholder(tf.float32, [])
        gradient = v1.placeholder(dtype, [4, 3])
        weight = v1.get_variable("w", initializer=_start(dtype))
        optimizer = v1.train.AdamOptimizer(rate, beta1=beta_1, beta2=beta_2)
        update = optimizer.apply_gradients([(gradient, weight)])
        session.run(v1.global_variables_initializer())
        trace = []
        for value, g in zip(rates, _gradients(dtype), strict=True):
            session.run(update, {rate: value, gradient: g})
            trace.append(session.run(weight))
    return trace


def _ours(dtype, optimizer, first=0, weight=None):
    if weight is None:
        weight = keras.Variable(_start(dtype), dtype=dtype, name="w")
    trace = []
    for g in _gradients(dtype)[first:]:
        optimizer.apply([tf.constant(g)], [weight])
        trace.append(weight.numpy())
    return trace, weight


@pytest.mark.parametrize(("beta_1", "beta_2"), [(0.9, 0.999), (0.7, 0.93)])
@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-14), ("float32", 1e-6)])
def test_weights_follow_tensorflow_1(dtype, rtol, beta_1, beta_2):
    optimizer = Adam(ExpSchedule(1e-2, 1e-4, STEPS), beta_1=beta_1, beta_2=beta_2)
    trace, _ = _ours(dtype, optimizer)
    np.testing.assert_allclose(trace, _tensorflow_1(dtype, beta_1, beta_2), rtol=rtol, atol=0)


def test_keras_adam_would_not_do():
    adam = keras.optimizers.Adam(ExpSchedule(1e-2, 1e-4, STEPS), epsilon=1e-8)
    trace, _ = _ours("float64", adam)
    difference = np.abs(np.array(trace) - _tensorflow_1("float64", 0.9, 0.999)).max()
    assert difference > 1e-10


def test_epsilon_is_added_to_the_corrected_root():
    """The formula of PyTorch, where gradients are about as small as epsilon."""
    rng = np.random.default_rng(4)
    gradients = 1e-8 * rng.normal(size=(STEPS, 4, 3))
    traces = {}
    for kind in (Adam, TorchAdam):
        optimizer, weight = kind(1e-3), keras.Variable(_start("float64"), dtype="float64")
        for gradient in gradients:
            optimizer.apply([tf.constant(gradient)], [weight])
        traces[kind] = weight.numpy()
    expected, m, v = _start("float64"), 0.0, 0.0
    for step, gradient in enumerate(gradients, start=1):
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        root = np.sqrt(v) / np.sqrt(1 - 0.999**step)
        expected -= float(np.float32(1e-3)) / (1 - 0.9**step) * m / (root + 1e-8)
    np.testing.assert_allclose(traces[TorchAdam], expected, rtol=1e-13, atol=0)
    assert np.abs(traces[Adam] - expected).max() > 1e-3


@pytest.mark.parametrize("kind", [Adam, TorchAdam])
def test_a_penalty_adds_to_the_gradient(kind):
    start, gradient = _start("float64"), _gradients("float64")[0]
    weights = [keras.Variable(start, dtype="float64") for _ in range(2)]
    kind(1e-3, l2_penalty=0.3).apply([tf.constant(gradient)], weights[:1])
    kind(1e-3).apply([tf.constant(gradient + 0.3 * start)], weights[1:])
    np.testing.assert_array_equal(weights[0].numpy(), weights[1].numpy())


def test_weight_decay_is_apart_from_the_moments():
    """PyTorch's AdamW: the weight shrinks by lr * decay, then Adam takes its step."""
    rate, decay = float(np.float32(0.01)), 0.3
    optimizer = AdamW(0.01, weight_decay=decay)
    weight = keras.Variable(_start("float64"), dtype="float64")
    expected, m, v = _start("float64"), 0.0, 0.0
    for step, gradient in enumerate(_gradients("float64"), start=1):
        optimizer.apply([tf.constant(gradient)], [weight])
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        root = np.sqrt(v / (1 - 0.999**step))
        expected = expected * (1 - rate * decay)
        expected -= rate / (1 - 0.9**step) * m / (root + 1e-8)
    np.testing.assert_allclose(weight.numpy(), expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("kind", [Adam, TorchAdam, AdamW])
def test_state_by_name_continues_exactly(kind):
    whole, _ = _ours("float64", kind(ExpSchedule(1e-2, 1e-4, STEPS)))

    first = kind(ExpSchedule(1e-2, 1e-4, STEPS))
    weight = keras.Variable(_start("float64"), dtype="float64", name="w")
    for g in _gradients("float64")[:23]:
        first.apply([tf.constant(g)], [weight])
    state = first.get_arrays({"net/w": weight})
    assert set(state) == {
        "iteration",
        "beta1_power",
        "beta2_power",
        "net/w/momentum",
        "net/w/velocity",
    }

    second = kind(ExpSchedule(1e-2, 1e-4, STEPS))
    fresh = keras.Variable(weight.numpy(), dtype="float64", name="w")
    second.build([fresh])
    second.set_arrays({"net/w": fresh}, state)
    rest, _ = _ours("float64", second, first=23, weight=fresh)
    np.testing.assert_array_equal(rest[-1], whole[-1])


def test_frozen_weights_have_no_state():
    optimizer = Adam(1e-3)
    free = keras.Variable(np.zeros(2), dtype="float64", name="a")
    frozen = keras.Variable(np.zeros(2), dtype="float64", name="b", trainable=False)
    optimizer.build([free])
    assert not any("b/" in name for name in optimizer.get_arrays({"a": free, "b": frozen}))


def test_missing_state_is_an_error():
    optimizer = Adam(1e-3)
    weight = keras.Variable(np.zeros(2), dtype="float64", name="a")
    optimizer.build([weight])
    state = optimizer.get_arrays({"a": weight})
    del state["a/velocity"]
    with pytest.raises(KeyError, match="a/velocity"):
        optimizer.set_arrays({"a": weight}, state)


def test_global_clipnorm_bounds_the_gradient():
    weight = keras.Variable(np.zeros(2), dtype="float64", name="a")
    optimizer = Adam(1e-3, global_clipnorm=0.5)
    optimizer.apply([tf.constant([3.0, 4.0], tf.float64)], [weight])
    momentum = optimizer.get_arrays({"a": weight})["a/momentum"]
    np.testing.assert_allclose(momentum, 0.1 * np.array([0.3, 0.4]), rtol=1e-6)


def test_global_clipnorm_of_weights_of_two_precisions():
    weights = [
        keras.Variable(np.zeros(1), dtype=dtype, name=f"w{k}")
        for k, dtype in enumerate(("float64", "float32"))
    ]
    optimizer = Adam(1e-3, global_clipnorm=0.5)
    optimizer.apply([tf.constant([3.0], tf.float64), tf.constant([4.0], tf.float32)], weights)
    state = optimizer.get_arrays(dict(zip("ab", weights, strict=True)))
    moments = [state["a/momentum"].item(), state["b/momentum"].item()]
    np.testing.assert_allclose(moments, [0.03, 0.04], rtol=1e-6)
    assert state["b/momentum"].dtype == np.float32


def test_weights_that_a_loss_does_not_depend_on_stay():
    """Those of the others move as always, and nothing is said."""
    moved, same, alone = (keras.Variable(np.ones(2), dtype="float64", name=n) for n in "abc")
    gradient = tf.constant([3.0, 4.0], tf.float64)
    optimizer = Adam(1e-2)
    optimizer.build([moved, same])
    optimizer.apply([gradient, None], [moved, same])
    Adam(1e-2).apply([gradient], [alone])
    np.testing.assert_array_equal(same.numpy(), 1.0)
    np.testing.assert_array_equal(moved.numpy(), alone.numpy())
    with pytest.raises(ValueError, match="No gradients"):
        optimizer.apply([None, None], [moved, same])


def test_accumulated_gradients_advance_the_powers_once():
    weight = keras.Variable(np.zeros(2), dtype="float64", name="a")
    optimizer = Adam(1e-3, gradient_accumulation_steps=2)
    for _ in range(4):
        optimizer.apply([tf.constant([3.0, 4.0], tf.float64)], [weight])
    power = optimizer.get_arrays({"a": weight})["beta1_power"]
    assert power == np.float32(0.9) * np.float32(0.9) * np.float32(0.9)


def test_config_rebuilds_the_optimizer():
    optimizer = Adam(ExpSchedule(1e-2, 1e-4, STEPS), beta_1=0.8, global_clipnorm=1.0)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert isinstance(again, Adam)
    assert again.get_config() == optimizer.get_config()


def test_groups_count_only_the_steps_that_move_them():
    """In multi-task training each weight has its own step count."""
    gradients = _gradients("float64")
    turns = [step % 3 == 0 for step in range(STEPS)]
    shared, first, second = (
        keras.Variable(_start("float64"), dtype="float64", name=name) for name in "abc"
    )
    optimizer = Adam(1e-2)
    optimizer.build([shared, first, second], [0, 1, 2])
    for gradient, turn in zip(gradients, turns, strict=True):
        g = tf.constant(gradient)
        optimizer.apply([g, g], [shared, first if turn else second])
    for weight, mine in ((shared, [True] * STEPS), (first, turns), (second, np.invert(turns))):
        alone = keras.Variable(_start("float64"), dtype="float64", name="w")
        single = Adam(1e-2)
        for gradient, turn in zip(gradients, mine, strict=True):
            if turn:
                single.apply([tf.constant(gradient)], [alone])
        np.testing.assert_array_equal(weight.numpy(), alone.numpy())
    assert int(optimizer.iterations) == STEPS
