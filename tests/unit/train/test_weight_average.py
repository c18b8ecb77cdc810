"""The moving average of the weights: its formula, its checkpoints, its validations."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from deepattn.config import normalize, upgrade
from deepattn.errors import ConfigError, ModelFileError
from deepattn.formats.checkpoint import read_checkpoint
from deepattn.models import open_model_file
from deepattn.train import train
from deepattn.train.weight_average import WeightAverage

from . import toy

DECAY = 0.7
EMA = {"enable_ema": True, "ema_decay": DECAY}
VALIDATING = {
    "full_validation": True,
    "ema_full_validation": True,
    "validation_freq": 3,
    "full_val_start": 0,
}


class Weights(keras.callbacks.Callback):
    """The weights after each step."""

    def on_train_begin(self, logs=None):
        self.steps = [self.model.get_arrays()]

    def on_train_batch_end(self, batch, logs=None):
        self.steps.append(self.model.get_arrays())


def write_input(systems, *, validating=None, **settings):
    rate = {"start_lr": 0.02, "decay_rate": 0.5, "decay_steps": 4}
    data = toy.make_input(systems, valid=systems[:1], rate=rate, **EMA | settings)
    data["validating"] = validating or {}
    Path("input.json").write_text(json.dumps(data))


def weights(path):
    return open_model_file(path).stored().arrays


@pytest.mark.parametrize("decay", [0.0, 0.3, 0.9])
def test_formula(decay):
    variable = keras.Variable(np.array([1.0, 2.0]), dtype="float64")
    average = WeightAverage({"w": variable}, decay, arrays={})
    expected = np.array([1.0, 2.0])
    for value in ([3.0, 5.0], [-1.0, 0.5]):
        variable.assign(value)
        average.update()
        expected = decay * expected + (1 - decay) * np.array(value)
    np.testing.assert_allclose(average.arrays()["w"], expected, rtol=0, atol=1e-15)
    with pytest.raises(ZeroDivisionError), average.applied():
        np.testing.assert_array_equal(variable.numpy(), average.arrays()["w"])
        raise ZeroDivisionError
    np.testing.assert_array_equal(variable.numpy(), [-1.0, 0.5])


def test_the_checkpoints_are_averages_of_all_steps(here, systems):
    write_input(systems)
    seen = Weights()
    trainer = train("input.json", callbacks=[seen])
    expected = seen.steps[0]
    trained = {id(variable) for variable in trainer.model.trainable_variables}
    names = {n for n, v in trainer.model.named_variables().items() if id(v) in trained}
    for step in seen.steps[1:]:
        expected = {n: DECAY * expected[n] + (1 - DECAY) * step[n] for n in names}
    found = weights("model_ema.ckpt")
    for name, array in found.items():
        if name in names:
            np.testing.assert_allclose(array, expected[name], rtol=1e-13, err_msg=name)
        else:
            np.testing.assert_array_equal(array, seen.steps[-1][name], err_msg=name)
    # The weights themselves are as without an average.
    write_input(systems, enable_ema=False)
    plain = train("input.json").model.get_arrays()
    for name, array in plain.items():
        np.testing.assert_array_equal(array, seen.steps[-1][name])


@pytest.mark.parametrize(("keep", "steps"), [(None, [10, 12]), (1, [12])])
def test_the_last_checkpoints_stay(here, systems, keep, steps):
    write_input(systems, max_ckpt_keep=2, ema_ckpt_keep=keep)
    train("input.json")
    files = [path for path in Path().glob("model_ema.ckpt*") if not path.is_symlink()]
    assert {path.name for path in files} == {f"model_ema.ckpt-{step}.h5" for step in steps}
    assert Path("model_ema.ckpt.h5").resolve().name == "model_ema.ckpt-12.h5"
    assert "ema" not in Path("checkpoint").read_text()


def test_a_stopped_run_ends_as_one_that_was_not(here, systems, monkeypatch):
    whole, parts = here / "whole", here / "parts"
    for folder, numbers in ((whole, (12,)), (parts, (7, 12))):
        folder.mkdir()
        monkeypatch.chdir(folder)
        for number in numbers:
            write_input(systems, validating=VALIDATING, numb_steps=number)
            train("input.json", **({"restart": "model.ckpt"} if number != numbers[0] else {}))
    for name in ("val.log", "val_ema.log"):
        assert (parts / name).read_bytes() == (whole / name).read_bytes()
    for name in ("model.ckpt-12.h5", "model_ema.ckpt-12.h5"):
        toy.assert_equal_checkpoints(whole / name, parts / name)
    best = [sorted(path.name for path in f.glob("best*")) for f in (whole, parts)]
    assert best[0] == best[1]
    assert len(best[0]) == 2
    arrays, header = read_checkpoint(whole / "model.ckpt-12.h5")
    assert any(name.startswith("ema/") for name in arrays)
    assert (
        header["ema_validation"] == read_checkpoint(parts / "model.ckpt-12.h5")[1]["ema_validation"]
    )


def test_the_best_averages_are_checkpoints_of_averages(here, systems):
    write_input(systems, validating=VALIDATING | {"full_validation": False})
    train("input.json")
    assert not Path("val.log").exists()
    [path] = Path().glob("best_ema.ckpt-*.h5")
    step = int(path.name.partition("-")[2].partition(".")[0])
    arrays, header = read_checkpoint(path)
    assert header["step"] == step
    assert all(name.startswith("weights/") for name in arrays)


def test_an_average_is_one_to_start_from_and_not_to_resume(here, systems, caplog):
    write_input(systems)
    train("input.json")
    expected = weights("model_ema.ckpt")
    with pytest.raises(ModelFileError, match="contains no optimizer state"):
        train("input.json", restart="model_ema.ckpt")
    write_input(systems, numb_steps=0)
    caplog.set_level("INFO")
    trainer = train("input.json", init_model="model_ema.ckpt")
    assert "has no state of the optimizer, so Adam starts afresh" in caplog.text
    for name, array in trainer.model.get_arrays().items():
        np.testing.assert_array_equal(array, expected[name])
    assert Path("backup-1/model_ema.ckpt-12.h5").is_file()


def test_an_average_may_begin_with_a_restart(here, systems):
    write_input(systems, enable_ema=False, numb_steps=6)
    train("input.json")
    write_input(systems, numb_steps=7)
    seen = Weights()
    train("input.json", restart="model.ckpt", callbacks=[seen])
    name = "layer_0/matrix"
    before, after = (step[name] for step in seen.steps)
    expected = DECAY * before + (1 - DECAY) * after
    np.testing.assert_allclose(weights("model_ema.ckpt")[name], expected, rtol=1e-14)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("ema_decay", 1.0, "ema_decay is 1.0; it must be at least 0 and less than 1"),
        ("ema_ckpt_keep", 0, "ema_ckpt_keep is 0; it must be at least 1"),
        ("enable_ema", False, "ema_full_validation needs averages of the weights; set training/"),
    ],
)
def test_invalid_keys(key, value, message):
    data = toy.make_input(["a"], valid=["b"], **EMA | {key: value})
    data["validating"] = VALIDATING
    with pytest.raises(ConfigError, match=message):
        normalize(upgrade(data))
