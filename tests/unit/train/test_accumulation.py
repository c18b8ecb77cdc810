"""Gradients of several steps averaged for one update (``acc_freq``)."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepattn.config import normalize, read_config, upgrade
from deepattn.errors import ConfigError
from deepattn.formats.checkpoint import read_checkpoint
from deepattn.optimizers import Adam, AdamW, TorchAdam
from deepattn.train import Trainer, train

from . import toy


@pytest.mark.parametrize("kind", [Adam, TorchAdam, AdamW])
def test_an_update_is_that_of_the_mean_gradient(kind):
    rng = np.random.default_rng(2)
    gradients = rng.normal(size=(6, 4))
    # Clipped as a whole, not one by one.
    options = {"learning_rate": 0.1, "global_clipnorm": 0.5}
    several, one = kind(**options, gradient_accumulation_steps=3), kind(**options)
    weights = [keras.Variable(np.ones(4), dtype="float64", name="w") for _ in range(2)]
    for number, gradient in enumerate(gradients, start=1):
        before = weights[0].numpy()
        several.apply([tf.constant(gradient)], weights[:1])
        moved = not np.array_equal(weights[0].numpy(), before)
        assert moved == (number % 3 == 0)
    for mean in gradients.reshape(2, 3, 4).mean(axis=1):
        one.apply([tf.constant(mean)], weights[1:])
    np.testing.assert_allclose(weights[0].numpy(), weights[1].numpy(), rtol=1e-14)


class Moved(keras.callbacks.Callback):
    """Which steps moved the weights."""

    def on_train_begin(self, logs=None):
        self.steps, self.last = [], self.model.get_arrays()["layer_0/matrix"]

    def on_train_batch_end(self, batch, logs=None):
        weight = self.model.get_arrays()["layer_0/matrix"]
        if not np.array_equal(weight, self.last):
            self.steps.append(batch + 1)
        self.last = weight


def write_input(systems, **settings):
    rate = {"decay_rate": 0.5, "decay_steps": 4}
    data = toy.make_input(systems, rate=rate, **{"acc_freq": 3, **settings})
    Path("input.json").write_text(json.dumps(data))


def test_every_third_step_moves_the_weights(here, systems):
    write_input(systems)
    moved = Moved()
    train("input.json", callbacks=[moved])
    assert moved.steps == [3, 6, 9, 12]


def test_a_stopped_run_ends_as_one_that_was_not(here, systems, monkeypatch):
    for folder, numbers in (("whole", (12,)), ("parts", (7, 12))):
        Path(here, folder).mkdir()
        monkeypatch.chdir(here / folder)
        for number in numbers:
            write_input(systems, numb_steps=number)
            train("input.json", **({"restart": "model.ckpt"} if number != numbers[0] else {}))
    arrays, _ = read_checkpoint(here / "parts" / "model.ckpt-7.h5")
    assert any(np.any(a) for name, a in arrays.items() if name.endswith("/gradient_accumulator"))
    toy.assert_equal_checkpoints(here / "whole/model.ckpt", here / "parts/model.ckpt")


def test_several_devices_are_refused(here, systems):
    write_input(systems)
    devices = [f"CPU:{number}" for number in range(2)]
    strategy = tf.distribute.MirroredStrategy(devices)
    if strategy.num_replicas_in_sync < 2:
        pytest.skip("TensorFlow has started with one CPU device")
    with strategy.scope(), pytest.raises(ConfigError, match="acc_freq is 3, which works on one"):
        Trainer(read_config("input.json"))


@pytest.mark.parametrize("value", [0, -1])
def test_invalid_numbers(value):
    with pytest.raises(ConfigError, match=f"acc_freq is {value}; it must be at least 1"):
        normalize(upgrade(toy.make_input(["a"], acc_freq=value)))
