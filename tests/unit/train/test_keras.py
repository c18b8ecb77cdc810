"""The model in Keras' own loop: fit, evaluate, and tf.distribute."""

import sys
from pathlib import Path

import keras
import numpy as np
import processes
import pytest
import tensorflow as tf
from small_models import small_batch, small_model

from deepattn.config import Config, normalize
from deepattn.errors import ConfigError, DataError
from deepattn.infer import energy_errors
from deepattn.train import Adam, EnergyLoss, Trainer, make_dataset

from . import toy

_DISTRIBUTED = """
import sys
import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from deepattn.config import Config, normalize
from deepattn.train import Trainer
from train import toy

system = toy.write_system(__import__("pathlib").Path(sys.argv[1]) / "a", [1, 0, 1, 0, 1, 1], 4)
rate = {"scale_by_worker": "none"}
config = Config.from_dict(normalize(toy.make_input([system], rate=rate, numb_steps=3)))


def fit(strategy):
    with strategy.scope():
        trainer = Trainer(config)
    frames = trainer.data.systems[0].frames(range(4))
    dataset = tf.data.Dataset.from_tensor_slices(tuple(frames)).batch(4).repeat()
    trainer.model.fit(dataset, steps_per_epoch=3, shuffle=False, verbose=0)
    state = trainer.optimizer.get_arrays(trainer.model.named_variables())
    metrics = trainer.model.evaluate(dataset.take(2), verbose=0, return_dict=True)
    with strategy.scope():
        trainer.model.compile(trainer.optimizer, loss=own_loss)
    own = trainer.model.evaluate(dataset.take(2), verbose=0, return_dict=True)
    return trainer.model.get_arrays(), state, metrics, own


def own_loss(labels, outputs, learning_rate):
    error = tf.cast(labels["energy"] - outputs["energy"], tf.float64)
    return tf.reduce_mean(error**2), {"mae_e": tf.reduce_mean(abs(error))}


devices = tf.config.list_logical_devices("CPU")
assert len(devices) == 2, devices
one = fit(tf.distribute.OneDeviceStrategy("/cpu:0"))
two = fit(tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"]))
assert set(one[2]) == {"loss", "rmse", "rmse_e", "rmse_f"} and set(one[3]) == {"loss", "mae_e"}
for single, mirrored in zip(one, two):
    assert set(single) == set(mirrored)
    for name, array in single.items():
        np.testing.assert_allclose(mirrored[name], array, rtol=1e-9, atol=1e-12, err_msg=name)
assert two[1]["iteration"] == 3
print("EQUAL")
"""


@pytest.fixture
def config(tmp_path):
    """A complete configuration on one small system."""
    system = toy.write_system(tmp_path / "data" / "a", [1, 0, 1, 0, 1, 1], 4)
    return Config.from_dict(normalize(toy.make_input([system], numb_steps=3, disp_training=False)))


def test_fit_makes_the_steps_of_the_trainer(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trained = Trainer(config)
    trained.train()
    fitted = Trainer(config)
    dataset = make_dataset(fitted.data)
    history = fitted.model.fit(dataset, steps_per_epoch=3, shuffle=False, verbose=0)
    assert {"loss", "rmse", "rmse_e", "rmse_f"} <= set(history.history)
    arrays = trained.model.get_arrays()
    for name, array in fitted.model.get_arrays().items():
        np.testing.assert_array_equal(array, arrays[name], err_msg=name)


def batches_of(*batches):
    """A data set of these batches, of any shapes."""
    spec = tf.nest.map_structure(lambda a: tf.TensorSpec([None] * a.ndim, a.dtype), batches[0])
    dataset = tf.data.Dataset.from_generator(lambda: iter(batches), output_signature=spec)
    return dataset.apply(tf.data.experimental.assert_cardinality(len(batches)))


@pytest.fixture(scope="module")
def batches():
    """Two batches of different sizes and numbers of atoms; the second lacks virials."""
    first, second = small_batch(nframes=2, natoms=6), small_batch(nframes=3, natoms=5, seed=1)
    inputs, labels = second
    inputs["atype"][0, -1] = -1
    labels["virial"], labels["find_virial"] = np.zeros((3, 9)), np.zeros(3)
    return first, second


@pytest.fixture(scope="module")
def model():
    """A model compiled with a loss of energies, forces and virials, whose weights are fixed."""
    model = small_model({"attn_layer": 0})
    weights = {"e": 0.5, "f": 1000.0, "v": 2.0}
    weights = {f"{end}_pref_{x}": w for end in ("start", "limit") for x, w in weights.items()}
    model.compile(Adam(1e-3), loss=EnergyLoss(1e-3, **weights))
    return model


def by_hand(model, batches):
    """Errors over all frames of all batches as `deepattn test` counts them, and the loss."""
    parts, losses = [], []
    for inputs, labels in batches:
        outputs = {name: value.numpy() for name, value in model(inputs).items()}
        real = inputs["atype"] >= 0
        natoms = real.sum(axis=1)
        energy = (outputs["energy"] - labels["energy"]) ** 2 / natoms
        force = ((outputs["force"] - labels["force"]) ** 2).sum(axis=2)
        virial = ((outputs["virial"] - labels["virial"]) ** 2).mean(axis=1) / natoms
        force = force[real].sum() / (3 * real.sum())
        loss = 0.5 * energy.mean() + 1000 * force + 2 * (virial * labels["find_virial"]).mean()
        losses.append((len(natoms), loss))
        parts.append(energy_errors(outputs, labels, atype=inputs["atype"], box=inputs["box"]))
    results = {"loss": sum(n * loss for n, loss in losses) / sum(n for n, _ in losses)}
    results["rmse"] = np.sqrt(results["loss"])
    for name, key in (("rmse_e", "rmse_ea"), ("rmse_f", "rmse_f"), ("rmse_v", "rmse_va")):
        found = np.array([part[key] for part in parts if key in part])
        results[name] = np.sqrt((found[:, 0] ** 2 * found[:, 1]).sum() / found[:, 1].sum())
    return results


def test_evaluate_is_over_all_batches(model, batches):
    expected = by_hand(model, batches)
    results = model.evaluate(batches_of(*batches), verbose=0, return_dict=True)
    assert list(results) == [m.name for m in model.metrics] == model.metrics_names
    assert results == pytest.approx(expected, rel=1e-12)
    turned = model.evaluate(batches_of(*batches[::-1]), verbose=0)
    assert turned == pytest.approx(list(expected.values()), rel=1e-12)


def test_a_batch_alone(model, batches):
    single = model.test_on_batch(*batches[0], return_dict=True)
    assert single == pytest.approx(by_hand(model, batches[:1]), rel=1e-12)
    _, metrics = model.training_loss(batches[0][1], model(batches[0][0]), 1e-3)
    assert single["rmse_f"] == pytest.approx(float(metrics["rmse_f"]), rel=1e-12)
    model.reset_metrics()
    assert float(model.metrics[0].result()) == 0.0


def test_a_label_that_no_frame_has_is_nan(model, batches):
    results = model.evaluate(batches_of(batches[1]), verbose=0, return_dict=True)
    assert np.isnan(results.pop("rmse_v"))
    assert np.isfinite(list(results.values())).all()


def test_labels_left_out_altogether_are_named(model, batches):
    inputs, labels = batches[0]
    with pytest.raises(DataError, match="the loss needs the label find_virial, but there are only"):
        labels = {name: value for name, value in labels.items() if "virial" not in name}
        model.evaluate(batches_of((inputs, labels)), verbose=0)


def test_sample_weights_are_refused(model, batches):
    with pytest.raises(ConfigError, match="sample and class weights are not supported"):
        model.train_on_batch(*batches[0], sample_weight=np.ones(2))


def test_early_stopping_sees_the_whole_validation_set(batches):
    model = small_model({"attn_layer": 0})
    model.compile(keras.optimizers.Adam(0.03), loss=EnergyLoss(1e-3))
    expected = []
    follow = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: expected.append(by_hand_forces(model, batches))
    )
    stop = keras.callbacks.EarlyStopping("val_rmse_f", mode="min", patience=1)
    history = model.fit(
        batches_of(batches[0]),
        validation_data=batches_of(*batches),
        callbacks=[follow, stop],
        shuffle=False,
        epochs=30,
        verbose=0,
    ).history
    assert history["val_rmse_f"] == pytest.approx(expected, rel=1e-12)
    best = int(np.argmin(expected))
    assert stop.stopped_epoch == best + 1 == len(expected) - 1 < 29


def by_hand_forces(model, batches):
    errors = []
    for inputs, labels in batches:
        error = model(inputs)["force"].numpy() - labels["force"]
        errors.append(error[inputs["atype"] >= 0].ravel())
    return np.sqrt(np.mean(np.concatenate(errors) ** 2))


def test_metrics_of_ones_own_loss_are_means_over_the_frames(batches):
    def own(labels, outputs, learning_rate):
        error = labels["energy"] - outputs["energy"]
        return tf.reduce_mean(error**2), {"mae_e": tf.reduce_mean(abs(error))}

    model = small_model({"attn_layer": 0})
    model.compile("adam", loss=own)
    results = model.evaluate(batches_of(*batches), verbose=0, return_dict=True)
    error = np.concatenate([labels["energy"] - model(x)["energy"] for x, labels in batches])
    expected = {"loss": np.mean(error**2), "mae_e": np.mean(abs(error))}
    assert results == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    "loss",
    ["mse", {"force": "mse"}, keras.losses.MeanSquaredError(), lambda labels, outputs: 0.0],
    ids=["name", "dictionary", "of Keras", "of two arguments"],
)
def test_other_kinds_of_loss_are_refused(model, loss):
    with pytest.raises(ConfigError, match=r"function of \(labels, outputs, learning_rate\)"):
        model.compile("adam", loss=loss)


def test_a_loss_without_metrics_is_refused(batches):
    model = small_model({"attn_layer": 0})
    model.compile("adam", loss=lambda labels, outputs, rate: tf.reduce_mean(outputs["energy"]))
    with pytest.raises(ConfigError, match="; a loss is a function of"):
        model.test_on_batch(*batches[0])


@pytest.mark.parametrize("key", ["metrics", "weighted_metrics", "loss_weights"])
def test_metrics_of_keras_are_refused(model, key):
    with pytest.raises(ConfigError, match=f"compile does not take {key}"):
        model.compile("adam", loss=EnergyLoss(1e-3), **{key: ["mae"]})


@pytest.mark.slow
def test_two_devices_equal_one_with_the_whole_batch(tmp_path):
    paths = f"import sys; sys.path[:0] = [{str(Path(__file__).parents[1])!r}]\n"
    command = [sys.executable, "-c", paths + _DISTRIBUTED, tmp_path]
    done = processes.run(command, timeout=900)
    assert done.stdout.strip().endswith("EQUAL"), done.stderr[-3000:]
