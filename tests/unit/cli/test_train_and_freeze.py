"""``deepattn train`` and ``deepattn freeze`` as a user runs them."""

import json
import signal
import sys
import time

import numpy as np
import processes
import pytest
from small_models import model_section, small_model

from deepattn import ops
from deepattn.cli.main import main
from deepattn.export import freeze
from deepattn.formats.checkpoint import read_checkpoint
from deepattn.formats.frozen import read_frozen


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working folder with an input file and one system of two frames."""
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "data" / "set.000"
    data.mkdir(parents=True)
    (tmp_path / "data" / "type.raw").write_text("0 1 1\n")
    (tmp_path / "data" / "type_map.raw").write_text("O H\n")
    rng = np.random.default_rng(0)
    water = np.array([[0.0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
    np.save(data / "coord.npy", (water + rng.normal(0, 0.05, (2, 3, 3))).reshape(2, 9))
    np.save(data / "box.npy", np.tile(np.eye(3).ravel() * 6, (2, 1)))
    np.save(data / "energy.npy", np.array([-14.0, -14.1]))
    np.save(data / "force.npy", rng.normal(size=(2, 9)))
    net = {"type": "se_atten", "sel": 4, "rcut": 3.0, "neuron": [2, 4], "attn_layer": 0}
    settings = {
        "model": {"type_map": ["O", "H"], "descriptor": net, "fitting_net": {"neuron": [4]}},
        "learning_rate": {"start_lr": 1e-3, "stop_lr": 1e-5},
        "training": {
            "training_data": {"systems": "data"},
            "numb_steps": 3,
            "disp_training": False,
            "seed": 1,
        },
    }
    (tmp_path / "input.json").write_text(json.dumps(settings))
    return tmp_path


def test_train_restart_and_freeze(here, capsys):
    assert main(["train", "input.json", "-o", "full.json", "-l", "log.txt"]) == 0
    assert (here / "full.json").is_file() and not (here / "out.json").exists()
    assert "finished training" in (here / "log.txt").read_text()
    settings = json.loads((here / "input.json").read_text())
    settings["training"]["numb_steps"] = 5
    (here / "input.json").write_text(json.dumps(settings))
    assert main(["train", "input.json", "--restart", "model.ckpt", "-v", "ERROR"]) == 0
    assert read_checkpoint("model.ckpt")[1]["step"] == 5
    for argv, name in (
        (["freeze"], "frozen_model.pb"),
        (["freeze", "-c", "model.ckpt-3", "-o", "three"], "three.pb"),
    ):
        assert main(argv) == 0
        assert read_frozen(name).type_map == ["O", "H"]
    assert main(["train", "input.json", "-f", "three.pb", "--skip-neighbor-stat"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["freeze", "--fast"]) == 0
    assert f"export DP_PLUGIN_PATH={ops.fast_library()}" in capsys.readouterr().err


def test_an_input_for_pytorch(here):
    for options in ([], ["--restart", "model.ckpt"]):
        assert main(["train", "input.json", "--pt", *options]) == 0
        for name in ("out.json", "input_v2_compat.json"):
            assert json.loads((here / name).read_text())["model"]["convention"] == "common"
    # The section of the model is that of the file.
    assert main(["freeze", "-o", "model.pb"]) == 0
    assert main(["train", "input.json", "--pt", "--finetune", "model.pb"]) == 0
    assert main(["train", "input.json", "-o", "of_tf.json"]) == 0
    assert "convention" not in json.loads((here / "of_tf.json").read_text())["model"]


def test_freeze_into_a_folder_that_is_not_there(here, capsys):
    assert main(["train", "input.json"]) == 0
    capsys.readouterr()
    assert main(["freeze", "-o", "absent/model.pb"]) == 1
    assert "absent" in capsys.readouterr().err


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_with_a_checkpoint(here, number, status):
    settings = json.loads((here / "input.json").read_text())
    settings["training"]["numb_steps"] = 10_000_000
    settings["training"]["save_freq"] = 10_000_000
    (here / "input.json").write_text(json.dumps(settings))
    command = ["-m", "deepattn", "train", "input.json", "-l", "log.txt"]
    with processes.start([sys.executable, *command]) as process:
        log = here / "log.txt"
        deadline = time.monotonic() + 300
        while "start training" not in (log.read_text() if log.exists() else ""):
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.2)
        time.sleep(3)
        process.send_signal(number)
        _, err = process.communicate(timeout=300)
    assert process.returncode == status
    assert "Traceback" not in err
    assert read_checkpoint("model.ckpt")[1]["step"] >= 1


def test_frozen_model_is_written_anew(tmp_path):
    """A graph of DeePMD-kit becomes one of ours, of the same weights."""
    given = freeze(small_model(), tmp_path / "given.pb", training_script={"model": model_section()})
    assert main(["freeze", "-c", str(given), "-o", str(tmp_path / "again")]) == 0
    first, second = (read_frozen(tmp_path / name) for name in ("given.pb", "again.pb"))
    assert set(first.weights) == set(second.weights)
    for name, array in first.weights.items():
        np.testing.assert_array_equal(second.weights[name], array, err_msg=name)
