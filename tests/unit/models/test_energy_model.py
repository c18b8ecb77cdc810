"""The Keras model: outputs, training through Keras, saving."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_models import dpa2, small_batch, small_model

from deepattn.train import EnergyLoss

DESCRIPTORS = [
    {"type": "se_atten"},
    {"type": "se_atten_v2"},
    {"type": "se_e2_a"},
    {"type": "se_e2_a", "type_one_side": True},
    dpa2(),
]


def name_of(descriptor):
    return "-".join(str(value) for value in descriptor.values() if not isinstance(value, dict))


def loss():
    return EnergyLoss(start_lr=1e-3, start_pref_v=1.0, limit_pref_v=1.0)


@pytest.mark.parametrize("descriptor", DESCRIPTORS, ids=name_of)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_outputs(descriptor, dtype):
    model = small_model(descriptor, interface_dtype=dtype)
    inputs, _ = small_batch(dtype=dtype)
    outputs = model(inputs)
    shapes = {name: tuple(value.shape) for name, value in outputs.items()}
    assert shapes == {
        "energy": (2,),
        "atom_energy": (2, 6),
        "force": (2, 6, 3),
        "virial": (2, 9),
        "atom_virial": (2, 6, 9),
        "atom_mask": (2, 6),
        "descriptor": (2, 6, 24),
    }
    assert outputs["energy"].dtype == "float64"
    assert {v.dtype.name for k, v in outputs.items() if k != "energy"} == {dtype}
    tolerance = {"float32": 1e-5, "float64": 1e-12}[dtype]
    total = tf.reduce_sum(outputs["atom_energy"], axis=1)
    np.testing.assert_allclose(outputs["energy"], total, rtol=tolerance)
    summed = tf.reduce_sum(outputs["atom_virial"], axis=1)
    np.testing.assert_allclose(outputs["virial"], summed, atol=10 * tolerance)


@pytest.mark.parametrize("descriptor", DESCRIPTORS, ids=name_of)
def test_virtual_atoms_change_nothing(descriptor):
    model = small_model(descriptor)
    inputs, _ = small_batch()
    padded = {
        "coord": np.pad(inputs["coord"], [(0, 0), (0, 2), (0, 0)]),
        "atype": np.pad(inputs["atype"], [(0, 0), (0, 2)], constant_values=-1),
        "box": inputs["box"],
    }
    outputs, with_virtual = model(inputs), model(padded)
    np.testing.assert_allclose(with_virtual["energy"], outputs["energy"], rtol=1e-13)
    np.testing.assert_allclose(with_virtual["force"][:, :6], outputs["force"], atol=1e-12)
    np.testing.assert_array_equal(with_virtual["force"][:, 6:], 0.0)
    np.testing.assert_array_equal(with_virtual["atom_energy"][:, 6:], 0.0)
    np.testing.assert_array_equal(with_virtual["atom_mask"][:, 6:], 0.0)


def test_an_empty_box_means_open_boundaries():
    model = small_model()
    inputs, _ = small_batch()
    open_box = {**inputs, "box": np.zeros_like(inputs["box"])}
    far_apart = {**inputs, "box": np.tile(np.eye(3).ravel() * 100.0, (2, 1))}
    np.testing.assert_allclose(model(open_box)["energy"], model(far_apart)["energy"], rtol=1e-13)
    assert not np.allclose(model(open_box)["energy"], model(inputs)["energy"])


@pytest.mark.parametrize("descriptor", DESCRIPTORS[:3], ids=lambda d: d["type"])
def test_a_pipeline_may_search_the_neighbors(descriptor):
    model = small_model(descriptor)
    inputs, _ = small_batch()
    prepared = next(iter(tf.data.Dataset.from_tensors(inputs).map(model.prepare)))
    expected, outputs = model(inputs), model(prepared)
    for name in ("energy", "force", "virial", "descriptor"):
        np.testing.assert_array_equal(outputs[name], expected[name], name)
    graph = tf.function(model, autograph=False).get_concrete_function(prepared).graph
    assert not [op for op in graph.get_operations() if "EnvMat" in op.type]


@pytest.mark.parametrize("descriptor", DESCRIPTORS[:3], ids=lambda d: d["type"])
def test_keras_fit_lowers_the_loss(descriptor):
    model = small_model(descriptor)
    model.compile(keras.optimizers.Adam(1e-2), loss=loss())
    inputs, labels = small_batch()
    teacher = small_model(descriptor | {"seed": 5}, {"seed": 6})(inputs)
    labels |= {name: teacher[name] for name in ("energy", "force", "virial")}
    dataset = tf.data.Dataset.from_tensors((inputs, labels)).repeat(30)
    before = model.evaluate(dataset.take(1), return_dict=True, verbose=0)["loss"]
    seen = []
    callback = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda step, logs: seen.append(step)
    )
    model.fit(dataset, callbacks=[callback], shuffle=False, verbose=0)
    after = model.evaluate(dataset.take(1), return_dict=True, verbose=0)["loss"]
    assert after < 0.5 * before
    assert seen == list(range(30))


def test_training_without_a_loss_says_how_to_give_one():
    model = small_model()
    model.compile(keras.optimizers.Adam())
    with pytest.raises(ValueError, match="compile the model with a loss first"):
        model.fit(tf.data.Dataset.from_tensors(small_batch()), shuffle=False, verbose=0)


# Keras reads its file in a way of which NumPy 2 warns.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_keras_saves_and_loads_the_whole_model(tmp_path):
    model = small_model({"exclude_types": [[0, 1]]})
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    inputs, _ = small_batch()
    np.testing.assert_array_equal(loaded(inputs)["force"], model(inputs)["force"])
    assert loaded.type_map == model.type_map


@pytest.mark.parametrize("descriptor", DESCRIPTORS[:3], ids=lambda d: d["type"])
def test_mixed_precision_keeps_weights_and_energies_in_full(descriptor):
    exact = small_model({**descriptor, "precision": "float32"}, {"precision": "float32"})
    config = exact.get_config()
    for part in ("descriptor", "fitting"):
        config[part]["config"]["dtype"] = "mixed_bfloat16"
    mixed = type(exact).from_config(config)
    mixed.set_weights(exact.get_weights())
    inputs, labels = small_batch()
    outputs = mixed(inputs)
    assert outputs["energy"].dtype == outputs["force"].dtype == "float64"
    np.testing.assert_allclose(outputs["energy"], exact(inputs)["energy"], atol=0.2)
    assert not np.array_equal(outputs["energy"], exact(inputs)["energy"])
    mixed.compile(keras.optimizers.Adam(), loss=loss())
    mixed.fit(tf.data.Dataset.from_tensors((inputs, labels)), shuffle=False, verbose=0)
    assert {v.dtype for v in mixed.descriptor.trainable_variables} == {"float32"}
    assert np.isfinite(mixed(inputs)["force"]).all()


def test_frozen_means_frozen():
    model = small_model({"trainable": False}, type_embedding={"trainable": False})
    assert not model.descriptor.trainable_variables
    assert not model.type_embedding.trainable_variables
    assert len(model.trainable_variables) == len(model.fitting.trainable_variables) > 0


def test_a_type_map_of_another_length():
    model = small_model()
    with pytest.raises(ValueError, match="type_map has 1 names, but the descriptor has 2"):
        type(model)(model.descriptor, model.fitting, model.type_embedding, type_map=["O"])
