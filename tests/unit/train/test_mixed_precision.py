"""Mixed precision: products in bfloat16 while training, nothing of it in the files."""

import numpy as np
import pytest
import tensorflow as tf

from deepattn import load_model
from deepattn.config import read_input, upgrade
from deepattn.errors import ConfigError
from deepattn.layers import EmbeddingNet, FittingNet
from deepattn.layers.half import bfloat16_product, use_bfloat16
from deepattn.train import Trainer

from . import toy

MIXED = {"compute_prec": "bfloat16"}


def trainer(systems, *, precision="float32", **settings):
    data = toy.make_input(systems, descriptor={"precision": precision}, **settings)
    data["model"]["fitting_net"]["precision"] = precision
    return Trainer(read_input(upgrade(data)))


def test_a_product_has_eight_bits():
    rng = np.random.default_rng(1)
    x, matrix = rng.normal(size=(7, 5)).astype("f4"), rng.normal(size=(5, 3)).astype("f4")
    found = bfloat16_product(tf.constant(x), tf.constant(matrix)).numpy()
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, tf.cast(tf.cast(found, tf.bfloat16), tf.float32))
    scale = np.abs(x) @ np.abs(matrix)
    error = np.abs(found - x @ matrix) / scale
    assert 1e-4 < error.max() < 3 * 2.0**-8


@pytest.mark.parametrize("kind", [EmbeddingNet, FittingNet])
def test_only_products_are_rounded(kind):
    net = kind(4, [4, 8], dtype="float32", seed=1)
    net.build((None, 4))
    x = tf.constant(np.random.default_rng(2).normal(size=(50, 4)), tf.float32)
    exact = net(x).numpy()
    use_bfloat16(net)
    rounded = net(x).numpy()
    assert rounded.dtype == np.float32
    error = np.abs(rounded - exact).max()
    assert 1e-4 < error < 0.1
    # The residual connections are not: more digits than bfloat16 has.
    assert (tf.cast(tf.cast(rounded, tf.bfloat16), tf.float32).numpy() != rounded).any()


def test_weights_and_energies_keep_their_precisions(here, systems):
    mixed = trainer(systems, mixed_precision=MIXED)
    plain = trainer(systems)
    inputs, _ = next(iter(mixed.data.sampler))
    ours, exact = mixed.model(inputs), plain.model(inputs)
    assert ours["energy"].dtype == tf.float64
    dtypes = {v.dtype for v in mixed.model.trainable_variables}
    assert dtypes == {v.dtype for v in plain.model.trainable_variables}
    difference = np.abs(ours["force"] - exact["force"]).max() / np.abs(exact["force"]).max()
    assert 1e-5 < difference < 0.1
    mixed.train()
    moved = mixed.model.get_arrays()
    assert any(np.any(moved[name] != a) for name, a in plain.model.get_arrays().items())
    # The file computes in float32.
    read, _ = load_model("model.ckpt")
    before = mixed.model(inputs)["energy"]
    after = read(inputs)["energy"]
    assert 1e-8 < np.abs(before - after).max() < 0.1


@pytest.mark.parametrize("precision", ["default", "float64"])
def test_other_nets_are_refused(here, systems, precision):
    message = f"nets of float32, but model/descriptor/precision is '{precision}'"
    with pytest.raises(ConfigError, match=message):
        trainer(systems, precision=precision, mixed_precision=MIXED)
