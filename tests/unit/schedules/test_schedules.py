"""Learning-rate schedules against the values of DeePMD-kit 3.2.0."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepattn.errors import ConfigError
from deepattn.schedules import make_schedule

# Section of the input and, by step, the rate that DeePMD-kit 3.2.0 feeds (float32).
DEEPMD = [
    (
        {
            "type": "exp",
            "start_lr": 0.001,
            "stop_lr": 3.51e-08,
            "num_steps": 1000000,
            "decay_steps": 5000,
        },
        {
            0: 1.00000005e-03,
            1: 1.00000005e-03,
            50000: 5.98777318e-04,
            333333: 3.38806203e-05,
            500000: 5.92452534e-06,
            900000: 9.78985852e-08,
            950000: 5.86194524e-08,
            999999: 3.69471174e-08,
            1000000: 3.51000011e-08,
            1000007: 3.51000011e-08,
        },
    ),
    (
        {"type": "exp", "start_lr": 0.001, "stop_lr": 1e-06, "num_steps": 50, "decay_steps": 5000},
        {
            0: 1.00000005e-03,
            1: 8.70963617e-04,
            2: 7.58577604e-04,
            16: 1.09647823e-04,
            25: 3.16227779e-05,
            45: 1.99526221e-06,
            47: 1.51356130e-06,
            49: 1.14815361e-06,
            50: 9.99999997e-07,
            57: 9.99999997e-07,
        },
    ),
    (
        {
            "type": "exp",
            "start_lr": 0.001,
            "stop_lr": 1e-08,
            "num_steps": 20000,
            "decay_steps": 40000,
            "warmup_steps": 100,
            "warmup_start_factor": 0.1,
        },
        {
            0: 9.99999975e-05,
            1: 1.09000001e-04,
            1000: 5.94113371e-04,
            6666: 2.32720249e-05,
            10000: 3.25508859e-06,
            18000: 3.18062554e-08,
            19000: 1.78343083e-08,
            19999: 1.05956017e-08,
            20000: 9.99999994e-09,
            20007: 9.99999994e-09,
        },
    ),
    (
        {
            "type": "exp",
            "start_lr": 0.001,
            "stop_lr": 1e-05,
            "num_steps": 1000,
            "decay_steps": 30,
            "smooth": True,
        },
        {
            0: 1.00000005e-03,
            1: 9.95405368e-04,
            50: 7.94328225e-04,
            333: 2.15774446e-04,
            500: 9.99999975e-05,
            900: 1.58489311e-05,
            950: 1.25892539e-05,
            999: 1.00461575e-05,
            1000: 9.99999975e-06,
            1007: 9.99999975e-06,
        },
    ),
    (
        {
            "type": "exp",
            "start_lr": 0.001,
            "stop_lr": 0.0005,
            "num_steps": 1000,
            "decay_steps": 100,
            "decay_rate": 0.5,
        },
        {
            0: 1.00000005e-03,
            1: 1.00000005e-03,
            50: 1.00000005e-03,
            333: 5.00000024e-04,
            500: 5.00000024e-04,
            900: 5.00000024e-04,
            950: 5.00000024e-04,
            999: 5.00000024e-04,
            1000: 5.00000024e-04,
            1007: 5.00000024e-04,
        },
    ),
    (
        {
            "type": "cosine",
            "start_lr": 0.002,
            "stop_lr": 1e-06,
            "num_steps": 1000,
            "warmup_ratio": 0.25,
        },
        {
            0: 0.00000000e00,
            1: 7.99999998e-06,
            50: 3.99999990e-04,
            333: 1.94019917e-03,
            500: 1.50024996e-03,
            900: 8.74113175e-05,
            950: 2.28414738e-05,
            999: 1.00876855e-06,
            1000: 9.99999997e-07,
            1007: 9.99999997e-07,
        },
    ),
    (
        {"type": "wsd", "start_lr": 0.001, "stop_lr": 1e-06, "num_steps": 1000, "warmup_steps": 10},
        {
            0: 0.00000000e00,
            1: 9.99999975e-05,
            50: 1.00000005e-03,
            333: 1.00000005e-03,
            500: 1.00000005e-03,
            900: 1.00000005e-03,
            950: 1.99800206e-06,
            999: 1.01009084e-06,
            1000: 9.99999997e-07,
            1007: 9.99999997e-07,
        },
    ),
    (
        {
            "type": "wsd",
            "start_lr": 0.001,
            "stop_lr_ratio": 0.01,
            "num_steps": 1000,
            "decay_phase_ratio": 0.3,
            "decay_type": "cosine",
        },
        {
            0: 1.00000005e-03,
            1: 1.00000005e-03,
            50: 1.00000005e-03,
            333: 1.00000005e-03,
            500: 1.00000005e-03,
            900: 2.57500011e-04,
            950: 7.63174248e-05,
            999: 1.00271409e-05,
            1000: 9.99999975e-06,
            1007: 9.99999975e-06,
        },
    ),
    (
        {
            "type": "wsd",
            "start_lr": 0.001,
            "stop_lr": 1e-06,
            "num_steps": 1000,
            "decay_phase_ratio": 0.5,
            "decay_type": "linear",
        },
        {
            0: 1.00000005e-03,
            1: 1.00000005e-03,
            50: 1.00000005e-03,
            333: 1.00000005e-03,
            500: 1.00000005e-03,
            900: 2.00800001e-04,
            950: 1.00899997e-04,
            999: 2.99799990e-06,
            1000: 9.99999997e-07,
            1007: 9.99999997e-07,
        },
    ),
]


def _build(section):
    section = dict(section)
    return make_schedule(section, section.pop("num_steps"))


@pytest.mark.parametrize(("section", "rates"), DEEPMD)
def test_rates_are_deepmds(section, rates):
    schedule = _build(section)
    got = [schedule.value(step) for step in rates]
    np.testing.assert_array_equal(np.float32(got), np.float32(list(rates.values())))


@pytest.mark.parametrize("section", [DEEPMD[0][0], DEEPMD[5][0], DEEPMD[7][0]])
def test_config_rebuilds_the_schedule_and_a_graph_evaluates_it(section):
    schedule = _build(section)
    layer = keras.saving.serialize_keras_object(schedule)
    again = keras.saving.deserialize_keras_object(layer)
    rate = tf.function(again)(tf.constant(321, tf.int64))
    assert rate.dtype == tf.float32
    assert float(rate) == schedule.value(321)


def test_default_end_and_ratio():
    assert _build({"start_lr": 1e-3, "num_steps": 100}).stop_lr == 5e-8
    section = {"start_lr": 1e-3, "stop_lr": None, "stop_lr_ratio": 0.1, "num_steps": 100}
    assert _build(section).stop_lr == pytest.approx(1e-4)


def test_run_of_no_steps_has_a_rate():
    for kind in ("exp", "cosine", "wsd"):
        schedule = _build({"type": kind, "start_lr": 1e-3, "num_steps": 0})
        assert np.isfinite(schedule.value(0))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"type": "step"}, "learning_rate/type"),
        ({"start_lr": 0.0}, "start_lr"),
        ({"start_lr": float("nan")}, "start_lr"),
        ({"start_lr": 1e200}, "start_lr"),
        ({"warmup_steps": 100}, "warmup_steps"),
        ({"decay_steps": 0}, "decay_steps"),
        ({"type": "wsd", "decay_phase_ratio": 1.5}, "decay_phase_ratio"),
        ({"type": "wsd", "decay_type": "log"}, "decay_type"),
        ({"type": "wsd", "stop_lr": 0.0}, "stop_lr"),
    ],
)
def test_bad_values_are_named(change, named):
    section = {"start_lr": 1e-3, "stop_lr": 1e-6, "num_steps": 100} | change
    with pytest.raises(ConfigError, match=named):
        _build(section)
