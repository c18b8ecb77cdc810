"""Models in Keras' own files: a restored model computes and trains the same."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_models import HYBRID, dpa2, small_batch, small_model

from deepattn.train import Adam, CosineSchedule, EnergyLoss, ExpSchedule, WsdSchedule

# Keras reads its file in a way of which NumPy 2 warns.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

# One layer of messages: tracing takes the time.
DESCRIPTORS = [{"type": "se_atten"}, HYBRID, dpa2(repformer={"nlayers": 1})]
SCHEDULES = {
    "exp": lambda: ExpSchedule(1e-2, 1e-4, 20, decay_steps=2, warmup_steps=3),
    "cosine": lambda: CosineSchedule(1e-2, 1e-4, 20),
    "wsd": lambda: WsdSchedule(1e-2, 1e-4, 20, decay_phase_ratio=0.5, decay_type="linear"),
}


def compiled(model, schedule):
    loss = EnergyLoss(
        1e-2, start_pref_v=1.0, limit_pref_v=1.0, use_huber=True, huber_delta=[0.1, 0.2, 0.3]
    )
    model.compile(Adam(SCHEDULES[schedule](), global_clipnorm=5.0), loss=loss)
    return model


def train(model, steps):
    dataset = tf.data.Dataset.from_tensors(small_batch()).repeat(steps)
    return model.fit(dataset, shuffle=False, verbose=0).history


def assert_equal(model, other):
    for name, array in model.get_arrays().items():
        np.testing.assert_array_equal(other.get_arrays()[name], array, err_msg=name)


@pytest.mark.parametrize(
    ("descriptor", "schedule"),
    list(zip(DESCRIPTORS, SCHEDULES, strict=True)),
    ids=lambda value: value if isinstance(value, str) else value["type"],
)
def test_training_resumes_after_loading(descriptor, schedule, tmp_path):
    model = compiled(small_model(descriptor), schedule)
    train(model, 3)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.training_loss.get_config() == model.training_loss.get_config()
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    state = model.optimizer.get_arrays(model.named_variables())
    for name, array in loaded.optimizer.get_arrays(loaded.named_variables()).items():
        np.testing.assert_array_equal(array, state[name], err_msg=name)
    batch = small_batch(seed=1)
    assert loaded.test_on_batch(*batch) == model.test_on_batch(*batch)
    assert train(loaded, 3) == train(model, 3)
    assert_equal(model, loaded)


def test_a_model_that_was_not_compiled_comes_back_so(tmp_path):
    small_model().save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert not loaded.compiled and loaded.metrics == []


@keras.saving.register_keras_serializable(package="tests")
def energy_alone(labels, outputs, learning_rate):
    return tf.reduce_mean((labels["energy"] - outputs["energy"]) ** 2), {}


def test_a_loss_of_ones_own_is_saved(tmp_path):
    model = small_model()
    model.compile(keras.optimizers.SGD(0.1), loss=energy_alone)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.training_loss is energy_alone


@pytest.mark.parametrize("descriptor", DESCRIPTORS, ids=lambda value: value["type"])
def test_weights_and_clones(descriptor, tmp_path):
    model = small_model(descriptor)
    inputs, _ = small_batch()
    expected = model(inputs)["force"]
    model.save_weights(tmp_path / "model.weights.h5")
    clone = keras.models.clone_model(model)
    assert clone.get_config() == model.get_config()
    clone.set_weights([np.zeros_like(array) for array in clone.get_weights()])
    clone.load_weights(tmp_path / "model.weights.h5")
    assert_equal(model, clone)
    np.testing.assert_array_equal(clone(inputs)["force"], expected)
    other = type(model).from_config(model.get_config())
    other.set_weights(model.get_weights())
    assert_equal(model, other)
