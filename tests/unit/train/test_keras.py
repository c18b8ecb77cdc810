"""The model in Keras' own loop: fit, evaluate, and tf.distribute."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from deepattn.config import Config, normalize
from deepattn.train import Trainer, make_dataset

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
    history = trainer.model.fit(dataset, steps_per_epoch=3, shuffle=False, verbose=0)
    state = trainer.optimizer.get_arrays(trainer.model.named_variables())
    return trainer.model.get_arrays(), state, history.history


devices = tf.config.list_logical_devices("CPU")
assert len(devices) == 2, devices
one = fit(tf.distribute.OneDeviceStrategy("/cpu:0"))
two = fit(tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"]))
for single, mirrored in zip(one[:2], two[:2]):
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


def test_evaluate_gives_the_figures(config):
    trainer = Trainer(config)
    frames = trainer.data.systems[0].frames(range(4))
    dataset = tf.data.Dataset.from_tensor_slices(tuple(frames)).batch(4)
    results = trainer.model.evaluate(dataset, verbose=0, return_dict=True)
    _, figures = trainer.loss(frames[1], trainer.model(frames[0]), trainer.schedule(0))
    assert results["rmse_f"] == pytest.approx(float(figures["rmse_f"]), rel=1e-12)


@pytest.mark.slow
def test_two_devices_equal_one_with_the_whole_batch(tmp_path):
    root = Path(__file__).resolve().parents[3]
    paths = f"import sys; sys.path[:0] = [{str(root)!r}, {str(root / 'tests' / 'unit')!r}]\n"
    done = subprocess.run(
        [sys.executable, "-c", paths + _DISTRIBUTED, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.stdout.strip().endswith("EQUAL"), done.stderr[-3000:]
