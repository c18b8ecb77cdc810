"""Dense layers, embedding nets, fitting nets and type embedding against their formulas."""

import numpy as np
import pytest

from deepattn.layers import EmbeddingNet, FittingNet, ResidualDense, SeededNormal, TypeEmbedding

from .check_layer import check_layer


@pytest.fixture
def rows(rng):
    return rng.normal(size=(5, 4))


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.mark.parametrize("units", [3, 4, 8])
@pytest.mark.parametrize("doubling", [True, False])
@pytest.mark.parametrize("time_step", [None, 0.1])
def test_residual_dense_follows_its_sizes(rows, units, doubling, time_step):
    layer, output = check_layer(
        ResidualDense,
        {"units": units, "doubling": doubling, "time_step": time_step, "seed": 3},
        [rows],
        expected_shape=(5, units),
    )
    hidden = np.tanh(rows @ np.asarray(layer.matrix) + np.asarray(layer.bias))
    if time_step is not None and (units == 4 or (units == 8 and doubling)):
        hidden *= np.asarray(layer.idt)
    else:
        assert layer.idt is None
    if units == 4:
        hidden += rows
    elif units == 8 and doubling:
        hidden += np.hstack([rows, rows])
    np.testing.assert_allclose(output, hidden, atol=1e-15)


def test_residual_dense_without_bias_or_residual(rows):
    layer, output = check_layer(
        ResidualDense,
        {"units": 4, "activation": "linear", "residual": False, "use_bias": False},
        [rows],
        expected_shape=(5, 4),
    )
    np.testing.assert_allclose(output, rows @ np.asarray(layer.matrix), atol=1e-15)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_embedding_net(rng, dtype):
    layer, _ = check_layer(
        EmbeddingNet,
        {"input_width": 1, "neuron": [4, 8, 8], "resnet_dt": True, "seed": 1},
        [rng.normal(size=(6, 1)).astype(dtype)],
        expected_shape=(6, 8),
        dtype=dtype,
    )
    names = {"matrix_1", "bias_1", "matrix_2", "bias_2", "idt_2", "matrix_3", "bias_3", "idt_3"}
    assert set(layer.named_variables()) == names
    assert set(layer.named_variables("_x")) == {f"{n}_x" for n in names}


def test_fitting_net_has_no_residual_in_its_first_layer(rng):
    x = rng.normal(size=(6, 4))
    layer, output = check_layer(
        FittingNet,
        {"input_width": 4, "neuron": [4, 4], "seed": 1},
        [x],
        expected_shape=(6, 1),
    )
    w = {name: np.asarray(v) for name, v in layer.named_variables().items()}
    assert "layer_0/idt" not in w
    z = np.tanh(x @ w["layer_0/matrix"] + w["layer_0/bias"])
    z = z + np.tanh(z @ w["layer_1/matrix"] + w["layer_1/bias"]) * w["layer_1/idt"]
    expected = z @ w["final_layer/matrix"] + w["final_layer/bias"]
    np.testing.assert_allclose(output, expected, atol=1e-15)


def test_layers_of_one_name_are_one_layer(rng):
    x = rng.normal(size=(6, 3))
    layer, output = check_layer(
        FittingNet,
        {"input_width": 3, "neuron": [4, 4, 4], "layer_names": [None, "a", "a", "b"], "seed": 1},
        [x],
        expected_shape=(6, 1),
    )
    w = {name: np.asarray(v) for name, v in layer.named_variables("_type_0").items()}
    scopes = {name.rpartition("/")[0] for name in w}
    assert scopes == {"layer_0_type_0", "share_a_type_0", "share_b_type_0"}
    assert len(layer.weights) == len(w)
    plain = FittingNet(3, [4, 4, 4], seed=1, dtype="float64")
    plain.build()
    # Drawn as the first of the layers.
    first = np.asarray(plain.named_variables()["layer_1/matrix"])
    np.testing.assert_array_equal(w["share_a_type_0/matrix"], first)
    z = np.tanh(x @ w["layer_0_type_0/matrix"] + w["layer_0_type_0/bias"])
    for _ in range(2):
        step = np.tanh(z @ w["share_a_type_0/matrix"] + w["share_a_type_0/bias"])
        z = z + step * w["share_a_type_0/idt"]
    expected = z @ w["share_b_type_0/matrix"] + w["share_b_type_0/bias"]
    np.testing.assert_allclose(output, expected, atol=1e-15)


def test_fitting_net_trains_the_layers_it_is_told_to():
    layer = FittingNet(3, [4, 4], trainable_layers=[False, True, False])
    layer.build()
    trained = {v.path for v in layer.trainable_variables}
    assert trained == {v.path for v in layer.stack[1].weights}
    with pytest.raises(ValueError, match="trainable_layers must have 3 entries"):
        FittingNet(3, [4, 4], trainable_layers=[True])


@pytest.mark.parametrize("use_bias", [True, False])
def test_type_embedding_ends_with_a_row_of_zeros(use_bias):
    config = {"ntypes": 3, "neuron": [6], "use_bias": use_bias, "activation": "tanh", "seed": 2}
    layer, output = check_layer(TypeEmbedding, config, [np.arange(4)], expected_shape=(4, 6))
    w = {name: np.asarray(v) for name, v in layer.named_variables().items()}
    bias = w.get("type_embed_net/bias_1", 0.0)
    one_hot = np.hstack([np.eye(3), np.eye(3)])
    expected = one_hot + np.tanh(w["type_embed_net/matrix_1"] + bias)
    np.testing.assert_allclose(output[:3], expected, atol=1e-15)
    np.testing.assert_array_equal(output[3], 0.0)


def test_type_embedding_of_features_names_a_wrong_shape():
    with pytest.raises(ValueError, match="features must have 2 rows, one per type"):
        TypeEmbedding(2, features=[[1.0, 0.0]])


def test_equal_seeds_give_equal_weights_and_no_seed_differs():
    draw = SeededNormal(seed=5)((3, 4), "float64")
    np.testing.assert_array_equal(draw, SeededNormal(seed=5)((3, 4), "float64"))
    assert not np.array_equal(draw, SeededNormal(seed=6)((3, 4), "float64"))
    assert not np.array_equal(SeededNormal()((3, 4), "float64"), SeededNormal()((3, 4), "float64"))


def test_the_spread_of_a_matrix_follows_its_sizes():
    draw = SeededNormal(seed=5)((300, 100), "float64")
    assert draw.std() == pytest.approx(1 / 20, rel=0.02)
    assert SeededNormal(0.1, 0.001, 5)((1000,), "float64").mean() == pytest.approx(0.1, abs=1e-4)
