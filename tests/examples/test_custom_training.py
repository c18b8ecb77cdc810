"""A loss, a schedule and an optimizer from outside the package: they train, restart and resume."""

import json
import re
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from deepattn.cli.main import main
from deepattn.config import LOSSES, OPTIMIZERS, SCHEDULES, read_config
from deepattn.errors import ConfigError
from deepattn.plots.learning_curve import plot_learning_curve, read_learning_curve
from deepattn.schedules import make_schedule

from .outside import forget, install

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "custom_training"
DATA = ROOT / "examples" / "alloy" / "data" / "valid"
MODULES = ("log_cosh", "steps", "nadam")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder that the example is installed in, as into an environment."""
    return install("custom_training", tmp_path_factory.mktemp("custom"))


@pytest.fixture
def known(installed, monkeypatch):
    """The example's package is installed, and is not any more after the test."""
    monkeypatch.syspath_prepend(str(installed))
    forget(monkeypatch, LOSSES, SCHEDULES, OPTIMIZERS)
    yield
    for name in MODULES:
        sys.modules.pop(name, None)


def write_input(folder, **changes):
    """The example's input for a short training on a part of the data."""
    data = json.loads((EXAMPLE / "input.json").read_text())
    data["training"] |= {
        "training_data": {"systems": str(DATA), "batch_size": 1},
        "validation_data": {"systems": str(DATA), "batch_size": 1},
        **{"numb_steps": 6, "disp_freq": 1, "save_freq": 3},
    }
    data["learning_rate"]["milestones"] = [2, 4]
    for path, value in changes.items():
        section, _, name = path.partition("__")
        data[section][name] = value
    path = folder / "input.json"
    path.write_text(json.dumps(data))
    return str(path)


def arrays(path):
    found = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: found.update({name: item[()]}) if hasattr(item, "shape") else None
        )
    return {
        name: array for name, array in found.items() if name.startswith(("weights", "optimizer"))
    }


def train(folder, *arguments, monkeypatch, **changes):
    folder.mkdir(exist_ok=True)
    monkeypatch.chdir(folder)
    assert main(["train", write_input(folder, **changes), *arguments]) == 0
    return arrays("model.ckpt.h5")


def test_the_page_shows_the_example():
    text = (ROOT / "docs" / "extending.md").read_text()
    for name in MODULES:
        assert f"```python\n{(EXAMPLE / name).with_suffix('.py').read_text()}```\n" in text
    points = re.search(r"```toml\n(.*?)```", text, re.DOTALL)[1]
    assert points in (EXAMPLE / "pyproject.toml").read_text()


def test_without_the_package_its_names_are_unknown(tmp_path):
    with pytest.raises(ConfigError, match="learning_rate/type is 'steps', which is not supported"):
        read_config(write_input(tmp_path))


def test_a_kind_of_a_script_is_registered(installed, monkeypatch):
    monkeypatch.syspath_prepend(str(installed))
    monkeypatch.setattr(SCHEDULES, "_classes", dict(SCHEDULES._classes))
    from steps import Steps, StepsConfig

    SCHEDULES.register("mine")(StepsConfig)
    section = {"type": "mine", "start_lr": 1.0, "milestones": [5], "warmup_steps": 2}
    schedule = make_schedule(section, 10)
    assert isinstance(schedule, Steps)
    assert [schedule.value(step) for step in (1, 2, 6, 7)] == pytest.approx([0.5, 1.0, 1.0, 0.1])
    for key, value in {"factor": 2, "milestone": [5], "milestones": 5}.items():
        with pytest.raises(ConfigError, match=f"learning_rate/{key} "):
            make_schedule(section | {key: value}, 10)


def test_another_optimizer_does_not_resume(known, tmp_path, monkeypatch, capsys):
    train(tmp_path, training__numb_steps=1, monkeypatch=monkeypatch)
    path = tmp_path / "input.json"
    data = json.loads(path.read_text()) | {"optimizer": {"type": "Adam"}}
    path.write_text(json.dumps(data))
    other = str(path)
    assert main(["train", other, "--restart", "model.ckpt"]) != 0
    assert "with the optimizer nadam, but the input has Adam" in capsys.readouterr().err
    assert main(["train", other, "--init-model", "model.ckpt"]) == 0
    assert "optimizer/beta1_power" in arrays("model.ckpt.h5")


def test_training_restart_and_new_start(known, tmp_path, monkeypatch):
    whole = train(tmp_path / "whole", monkeypatch=monkeypatch)
    curve = read_learning_curve("lcurve.out")
    np.testing.assert_allclose(curve["lr"], [5e-3] * 2 + [5e-4] * 2 + [5e-5] * 3, rtol=0.02)
    assert {"rmse_trn", "rmse_e_trn", "rmse_f_val"} < set(curve)
    assert curve["rmse_trn"][-1] < curve["rmse_trn"][0]
    assert plot_learning_curve("lcurve.out", "curve.png").is_file()
    # Its output is an input, and Nadam's state is in the checkpoint under Keras' names.
    assert read_config("out.json").loss.scale_e == 0.02
    assert any(name.endswith("layer_0/matrix/velocity") for name in whole)
    assert whole["optimizer/iteration"] == 6

    train(tmp_path / "parts", training__numb_steps=3, monkeypatch=monkeypatch)
    resumed = train(tmp_path / "parts", "--restart", "model.ckpt", monkeypatch=monkeypatch)
    assert resumed.keys() == whole.keys()
    for name, array in whole.items():
        np.testing.assert_array_equal(resumed[name], array, err_msg=name)

    anew = train(tmp_path / "parts", "--init-model", "model.ckpt", monkeypatch=monkeypatch)
    assert anew["optimizer/iteration"] == 6
    name = next(name for name in whole if name.endswith("weights/layer_0/matrix"))
    assert np.abs(anew[name] - whole[name]).max() > 0
