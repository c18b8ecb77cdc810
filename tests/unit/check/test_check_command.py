"""``deepattn check``: output, arguments and exit status."""

import json

import numpy as np
import pytest

from deepattn.cli.main import main

from . import faults, metals


def test_command_prints_findings_and_says_it_by_its_status(tmp_path, arrays, capsys):
    path = metals.write(tmp_path / "data", metals.ALLOY, arrays)
    assert main(["check", path]) == 0
    assert capsys.readouterr().out == ""
    faults.overlap(arrays)
    np.save(tmp_path / "data" / "set.000" / "coord.npy", arrays["coord"])
    assert main(["check", path, "--json"]) == 1
    listed = json.loads(capsys.readouterr().out)
    assert [(x["check"], x["frames"]) for x in listed if x["check"] == "overlap"] == [
        ("overlap", [5])
    ]
    assert main(["check", path]) == 1
    assert f"fault (overlap): {path}: in frame 5 atoms 0 and 1" in capsys.readouterr().out


def test_command_says_what_it_did_not_test(tmp_path, arrays, caplog, capsys):
    """In sentences, in the last line and in JSON; the exit status is that of the findings."""
    caplog.set_level("INFO")
    path = metals.write(tmp_path / "data", metals.ALLOY, {k: v[:4] for k, v in arrays.items()})
    assert main(["check", path]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"not tested (sign of forces): {path}: too few frames, 4 of at least 11" in lines
    assert "faults: 0, doubts: 0, not tested: 3 (" in caplog.text
    assert main(["check", path, "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {(x["level"], x["system"]) for x in listed} == {("not tested", path)}
    assert "sign of forces" in {x["check"] for x in listed}


def test_command_takes_what_an_input_says(tmp_path, arrays, monkeypatch, capsys):
    metals.write(tmp_path / "train", metals.ALLOY, arrays)
    metals.write(tmp_path / "valid", metals.ALLOY, {k: v[:2] for k, v in arrays.items()})
    model = {
        "type_map": ["Cu", "Ag", "Au"],
        "descriptor": {"type": "se_atten_v2", "rcut": 4.0, "rcut_smth": 0.5, "sel": 10},
        "fitting_net": {},
    }
    training = {
        "training_data": {"systems": ["train"]},
        "validation_data": {"systems": ["valid"]},
        "numb_steps": 1,
    }
    rate = {"start_lr": 1e-3, "stop_lr": 1e-8}
    content = {"model": model, "training": training, "learning_rate": rate, "loss": {}}
    (tmp_path / "input.json").write_text(json.dumps(content))
    monkeypatch.chdir(tmp_path)
    assert main(["check", "input.json"]) == 0
    out = capsys.readouterr().out
    for words in ("no frame contains Ag", "but sel is 10", "valid: frame 0 is a duplicate of"):
        assert words in out


def test_command_lists_the_first_systems_of_a_kind(tmp_path, arrays, capsys):
    faults.net_force(arrays)
    for number in range(8):
        arrays["coord"] = arrays["coord"] + 0.01
        metals.write(tmp_path / str(number), metals.ALLOY, arrays)
    assert main(["check", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum("(net force): /" in line for line in lines) == 5
    assert "doubt (net force): 3 more systems are like these; --json lists them" in lines


def test_wrong_sel_is_refused(tmp_path, arrays, capsys):
    path = metals.write(tmp_path / "data", metals.ALLOY, arrays)
    assert main(["check", path, "--sel", "10", "20", "30"]) == 1
    assert "sel has 3 numbers, but there are 2 types: Cu Au" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["check", path, "--sel", "-1"])
    assert "'-1' is not a positive number" in capsys.readouterr().err


def test_input_for_fine_tuning_can_be_checked(tmp_path, arrays, monkeypatch, capsys):
    """Its model section is all but empty, as the pretrained model fills it."""
    metals.write(tmp_path / "train", metals.ALLOY, arrays)
    content = {
        "model": {"type_map": ["Cu", "Au"], "descriptor": {}, "fitting_net": {}},
        "learning_rate": {"start_lr": 1e-4, "stop_lr": 1e-8},
        "training": {"training_data": {"systems": "train"}, "numb_steps": 1},
    }
    (tmp_path / "input.json").write_text(json.dumps(content))
    monkeypatch.chdir(tmp_path)
    assert main(["check", "input.json"]) == 0
    assert capsys.readouterr().out == ""
    del content["training"]
    (tmp_path / "input.json").write_text(json.dumps(content))
    assert main(["check", "input.json"]) == 1
    assert "names no systems" in capsys.readouterr().err
