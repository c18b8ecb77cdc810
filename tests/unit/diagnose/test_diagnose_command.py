"""``deepattn diagnose`` on a folder: files, order, messages."""

import json
from pathlib import Path

import numpy as np
import pytest

from deepattn.cli.main import main
from deepattn.diagnose import diagnose_training

from ..check import metals
from . import curves


@pytest.fixture(scope="module")
def frames():
    """Frames of an alloy in which nothing is wrong, for training and validation."""
    return [metals.frames(metals.ALLOY, nframes=count, seed=count) for count in (30, 12)]


@pytest.fixture
def run(tmp_path, frames, monkeypatch):
    """A folder with a good training; the command runs elsewhere."""
    folder, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    for name, arrays in zip(("train", "valid"), frames, strict=True):
        metals.write(folder / name, metals.ALLOY, arrays)
    content = {
        "model": {
            "type_map": ["Cu", "Au"],
            "descriptor": {"type": "se_e2_a", "rcut": 4.0, "rcut_smth": 0.5, "sel": [60, 60]},
            "fitting_net": {},
        },
        "learning_rate": {"type": "cosine", "start_lr": 5e-3, "stop_lr": 1e-5},
        "loss": {"limit_pref_e": 20},
        "training": {
            "training_data": {"systems": "train"},
            "validation_data": {"systems": "valid"},
            "numb_steps": curves.STEPS,
        },
    }
    (folder / "input.json").write_text(json.dumps(content))
    curves.write(folder / "lcurve.out", curves.healthy())
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    return folder


def test_good_training(run, capsys, caplog):
    caplog.set_level("INFO")
    assert main(["diagnose", str(run)]) == 0
    assert capsys.readouterr().out == ""
    assert "nothing was found that explains large errors" in caplog.text
    assert "validation errors at step 20000: energies 2.19 meV/atom (" in caplog.text
    assert "forces 87.2 meV/Å (" in caplog.text and "% of the labels' spread" in caplog.text
    assert f"deepattn plot lcurve {run}/lcurve.out" in caplog.text


def test_slots_of_parts_of_frames_are_not_counted(run, capsys):
    """Whole frames have more neighbors than the parts that a model is evaluated for."""
    content = json.loads((run / "input.json").read_text())
    descriptor = {"type": "se_atten_v2", "attn_layer": 0, "rcut": 4.0, "sel": 3}
    part = {"descriptor": descriptor, "fitting_net": {}}
    content["model"] = {
        "type": "pairwise_dprc",
        "type_map": ["Cu", "Au"],
        "type_embedding": {},
        "qm_model": part,
        "qmmm_model": part,
    }
    (run / "input.json").write_text(json.dumps(content))
    assert main(["diagnose", str(run)]) == 0
    assert capsys.readouterr().out == ""


def test_causes_in_order(run, frames, capsys):
    salt = {name: array[:5] for name, array in frames[1].items()}
    metals.write(run / "valid2", ["Ag"] * 8, salt, names=("Ag",))
    content = json.loads((run / "input.json").read_text())
    content["model"]["type_map"].append("Ag")
    content["model"]["descriptor"]["sel"] = [4, 60, 60]
    content["training"] |= {"numb_steps": 50000, "disp_freq": 100}
    content["training"]["validation_data"]["systems"] = ["valid", "valid2"]
    (run / "input.json").write_text(json.dumps(content))
    assert main(["diagnose", str(run / "lcurve.out"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    ranks = [cause["likelihood"] for cause in found]
    assert ranks == sorted(ranks, reverse=True)
    names = [cause["name"] for cause in found]
    assert {"unfinished", "elements without training frames", "data, sel"} <= {*names}
    assert main(["diagnose", str(run)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(found) and lines[0].startswith(f"1. {names[0]}: ")


def test_without_input_or_data(run, caplog):
    (run / "train").rename(run / "gone")
    diagnosis = diagnose_training(run)
    assert diagnosis.causes == () and "no systems were found in train" in diagnosis.not_done[0]
    (run / "input.json").rename(run / "other.json")
    diagnosis = diagnose_training(run)
    assert diagnosis.causes == () and "no input was found" in diagnosis.not_done[0]


def test_a_short_curve_is_not_judged(run):
    short = {name: values[:5] for name, values in curves.healthy().items()}
    curves.write(run / "lcurve.out", short)
    names = {cause.name for cause in diagnose_training(run).causes}
    assert "short curve" in names and "too few steps" not in names


def test_branches(tmp_path):
    columns = curves.healthy()
    ended = {f"{name}_a": values for name, values in columns.items() if name.startswith("rmse")}
    ended |= {name[:-2] + "_b": values for name, values in ended.items()}
    curves.write(tmp_path / "lcurve.out", {"step": curves.STEP, **ended, "lr": curves.COSINE})
    part = {
        "descriptor": {"type": "se_e2_a", "rcut": 4.0, "rcut_smth": 0.5, "sel": [9]},
        "fitting_net": {},
        "type_map": "names",
    }
    data = {"training_data": {"systems": "absent"}}
    content = {
        "model": {"shared_dict": {"names": ["Cu"]}, "model_dict": {"a": part, "b": part}},
        "learning_rate": {"start_lr": 1e-3, "stop_lr": 1e-6},
        "loss_dict": {"a": {}, "b": {}},
        "training": {"data_dict": {"a": data, "b": data}, "numb_steps": 90000},
    }
    Path(tmp_path / "input.json").write_text(json.dumps(content))
    diagnosis = diagnose_training(tmp_path)
    assert [cause.task for cause in diagnosis.causes] == ["a", "b"]
    assert {cause.name for cause in diagnosis.causes} == {"unfinished"}
    assert [line[:3] for line in diagnosis.summary] == ["a: ", "b: "]


def test_wrong_files(tmp_path, run, capsys):
    assert main(["diagnose", str(tmp_path / "absent")]) == 1
    assert "absent: No such file" in capsys.readouterr().err
    assert main(["diagnose", str(run), "--input", "absent.json"]) == 1
    assert "absent.json: there is no such file" in capsys.readouterr().err
    (run / "lcurve.out").write_text("1 2 3\n")
    assert main(["diagnose", str(run)]) == 1
    assert "lcurve.out, line 1: expected 0 numbers" in capsys.readouterr().err


def test_curve_of_the_file_is_that_of_the_training(run):
    columns = np.loadtxt(run / "lcurve.out")
    assert columns.shape == (curves.LINES, len(curves.healthy()))
