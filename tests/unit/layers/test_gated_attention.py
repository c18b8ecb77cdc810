"""Gated attention against its formula."""

import itertools

import numpy as np
import pytest

from deepattn.layers import GatedAttention

from .check_layer import check_layer


def attention_in_numpy(w, g, u, c, *, dotr, mask, smooth, eps, unit=True):
    """The formula of the layer's docstring for one neighborhood."""

    def project(name, x):
        y = x @ w[f"{name}/matrix"] + w[f"{name}/bias"]
        return y if not unit else y / np.sqrt(np.maximum((y * y).sum(-1, keepdims=True), 1e-12))

    q, k, v = (project(name, g) for name in ("c_query", "c_key", "c_value"))
    s = q @ k.T
    s = (s + 20) * np.outer(c, c) - 20 if smooth else s * c - 2.0**33 * (1 - c)
    p = np.exp(s - s.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    p *= np.outer(c, c) if smooth else c[:, None]
    if dotr:
        p = p * (u @ u.T)
    if mask:
        p = p * (1 - np.eye(len(c)))
    x = g + (p @ v) @ w["c_out/matrix"] + w["c_out/bias"]
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + eps)
    return x * w["layer_normalization/gamma"] + w["layer_normalization/beta"]


@pytest.mark.parametrize(
    ("dotr", "mask", "smooth"), list(itertools.product([True, False], repeat=3))
)
def test_formula(dotr, mask, smooth):
    rng = np.random.default_rng(1)
    g = rng.normal(size=(3, 5, 4))
    u = rng.normal(size=(3, 5, 3))
    u /= np.linalg.norm(u, axis=-1, keepdims=True)
    c = rng.uniform(size=(3, 5)) if smooth else np.ones((3, 5))
    c[0, 3:] = 0.0
    c[2] = 0.0
    config = {"width": 4, "attn": 6, "dotr": dotr, "mask": mask, "smooth": smooth, "seed": 3}
    layer, output = check_layer(GatedAttention, config, [g, u, c], expected_shape=(3, 5, 4))
    w = {name: np.asarray(v) for name, v in layer.named_variables().items()}
    options = {"dotr": dotr, "mask": mask, "smooth": smooth, "eps": 1e-3}
    for i in range(3):
        np.testing.assert_allclose(
            output[i], attention_in_numpy(w, g[i], u[i], c[i], **options), atol=1e-13
        )


@pytest.mark.parametrize("smooth", [True, False])
def test_padding_that_is_not_given_counts(smooth):
    rng = np.random.default_rng(2)
    g, u = rng.normal(size=(2, 7, 4)), rng.normal(size=(2, 7, 3))
    c = np.array([[1.0, 1.0, 0, 0, 0, 0, 0], [0.0] * 7]) * (0.3 if smooth else 1.0)
    layer = GatedAttention(4, 6, smooth=smooth, seed=3, dtype="float64")
    everything = np.asarray(layer(g, u, c))[:, :3]
    cut = layer(g[:, :3], u[:, :3], c[:, :3], np.array([2, 0]), padding=4)
    np.testing.assert_allclose(cut, everything, rtol=0, atol=1e-14)
    if smooth:
        without = np.asarray(layer(g[:, :3], u[:, :3], c[:, :3]))
        assert abs(without - everything).max() > 1e-3


def test_frozen_layer_norm_is_not_trained():
    layer = GatedAttention(4, 6, trainable_ln=False)
    layer.build()
    names = {v.path.split("/")[-1] for v in layer.trainable_variables}
    assert names == {"matrix", "bias"}
    layer.trainable = False
    assert not layer.trainable_variables


def test_a_wrong_width_is_named():
    with pytest.raises(ValueError, match="attn must be at least 1, not 0"):
        GatedAttention(4, 0)


@pytest.mark.parametrize("smooth", [True, False])
def test_vectors_of_any_length(smooth):
    """Scores of thousands, whose exponentials no float can hold; padding that is not passed."""
    rng = np.random.default_rng(3)
    g = 40 * rng.normal(size=(2, 6, 4))
    u = rng.normal(size=(2, 6, 3))
    u /= np.linalg.norm(u, axis=-1, keepdims=True)
    c = rng.uniform(size=(2, 6)) if smooth else np.ones((2, 6))
    c[:, 4:] = 0.0
    options = {"dotr": True, "mask": False, "smooth": smooth}
    layer = GatedAttention(4, 5, **options, normalize=False, seed=1, dtype="float64")
    layer.build()
    w = {name: np.asarray(variable) for name, variable in layer.named_variables().items()}
    count = np.array([4, 4], np.int32)
    found = layer(g[:, :5], u[:, :5], c[:, :5], count, padding=1)
    for place in range(2):
        arguments = (w, g[place], u[place], c[place])
        expected = attention_in_numpy(*arguments, **options, eps=1e-3, unit=False)
        np.testing.assert_allclose(found[place, :4], expected[:4], rtol=0, atol=1e-11)
