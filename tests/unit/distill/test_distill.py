"""A whole distillation, killed in every stage."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import processes
import pytest
from ase.io import write
from small_models import SMALLEST

from deepattn.calculator import DP
from deepattn.cli.main import main
from deepattn.distill import distill, label, rounds, stages, student
from deepattn.distill.labeled import read_labeled
from deepattn.distill.workdir import WorkDir
from deepattn.errors import ConfigError, DataError
from deepattn.formats.checkpoint import read_checkpoint
from deepattn.formats.frozen import read_frozen
from deepattn.train import Trainer
from deepattn.train.checkpointing.saver import Saver

from .metals import alloy

KILLS = int(os.environ.get("DEEPATTN_KILLS", "0"))
TEACHER = "distill_teachers:emt"
INPUT = {
    "model": SMALLEST,
    "training": {"numb_steps": 40, "save_freq": 20, "disp_freq": 20},
    "distill": {
        "systems": "start.extxyz",
        "rounds": 2,
        "threshold": 1e-6,
        "explore": {"temperatures": [300], "runs": 2, "steps": 20, "every": 5, "timestep": 2},
        "seed_frames": {"copies": 4, "steps": 10, "every": 5},
        "select": {"low": 1e-9, "high": 100.0, "frames": 4},
        "later": {"numb_steps": 20},
    },
}


class Killed(BaseException):
    """Like SIGKILL: it cannot be handled."""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder with structures, an input and a teacher."""
    write(tmp_path / "start.extxyz", [alloy(0), alloy(1)])
    (tmp_path / "input.json").write_text(json.dumps(INPUT))
    (tmp_path / "distill_teachers.py").write_text("from ase.calculators.emt import EMT as emt\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def _killing(monkeypatch, owner, name, *, after):
    """Make a function end the program at its ``after``-th call, before or after its work."""
    original, calls = getattr(owner, name), []

    def kill(*args, **kwargs):
        calls.append(name)
        result = original(*args, **kwargs)
        if len(calls) == after:
            raise Killed
        return result

    monkeypatch.setattr(owner, name, kill)


@pytest.mark.slow
def test_killed_in_every_stage_it_gives_the_same_student(place, monkeypatch):
    whole = distill(TEACHER, "input.json", "whole")
    assert not whole.reached and "rounds" in whole.reason
    places = [
        (rounds, "write_frames", 1),  # the structures, and then the frames of the first stage
        (rounds, "write_frames", 1),
        (label, "label", 1),
        (rounds, "write_labeled", 1),
        (Saver, "save", 1),  # in the middle of a training
        (student, "compress", 1),
        (rounds, "explore", 1),
        (rounds, "errors", 1),
        (rounds, "write_labeled", 1),
        (Trainer, "train", 1),
        (stages, "write_report", 1),
    ]
    for owner, name, after in places:
        with monkeypatch.context() as patch, pytest.raises(Killed):
            _killing(patch, owner, name, after=after)
            distill(TEACHER, "input.json", "killed")
    again = distill(TEACHER, "input.json", "killed")
    assert again.errors["force"] == whole.errors["force"]
    arrays, others = (
        read_checkpoint(folder / "round-01" / "student-0" / "model.ckpt")[0]
        for folder in (place / "whole", place / "killed")
    )
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, others[name], err_msg=name)
    assert not list((place / "killed").rglob("pieces")), "labels in pieces are left"
    _check_report(place / "killed", again)
    _check_changes(place)


@pytest.mark.slow
@pytest.mark.skipif(not KILLS, reason="DEEPATTN_KILLS is not set; the test above is the short one")
def test_killed_at_any_moment_it_gives_the_same_student(place):
    script = Path(__file__).with_name("killed_distillations.py")
    done = processes.run([sys.executable, script, place, KILLS, 0])
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["faults"] == [] and result["kills"] == KILLS


def _check_report(folder, result):
    """Report and student are there, and say the same."""
    report = json.loads((folder / "report.json").read_text())
    assert report["rounds"][1]["rmse_force"] == result.errors["force"]
    assert report["rounds"][1]["frames_trained_on"] == sum(report["trained_on"].values())
    assert set(report["atom_steps_per_second"]) == {"teacher", "student"}
    page = (folder / "report.html").read_text()
    assert page.count("<img") == 4 and f"{1e3 * result.errors['force']:.1f} meV/Å" in page
    assert read_frozen(folder / "student.pb").model_type == "compressed_model"


def _check_changes(place):
    """A third round may follow, another temperature may not."""
    changed = json.loads(json.dumps(INPUT))
    changed["distill"]["explore"]["temperatures"] = [400]
    (place / "input.json").write_text(json.dumps(changed))
    with pytest.raises(ConfigError, match="distill/explore/temperatures"):
        distill(TEACHER, "input.json", "killed")
    more = json.loads(json.dumps(INPUT))
    more["distill"]["rounds"] = 3
    (place / "input.json").write_text(json.dumps(more))
    # A threshold that is reached at last, by way of the command line.
    more["distill"]["threshold"] = 100.0
    (place / "input.json").write_text(json.dumps(more))
    assert main(["distill", TEACHER, "input.json", "-o", "killed"]) == 0


@pytest.mark.slow
def test_students_of_an_ensemble_select_by_themselves(place):
    raw = json.loads(json.dumps(INPUT))
    raw["training"]["numb_steps"] = 4
    raw["distill"] |= {"rounds": 1, "ensemble": 2}
    raw["distill"]["seed_frames"] = {"copies": 4, "steps": 0}
    raw["distill"]["select"] = {"low": 1e-9, "high": 100.0, "frames": 3, "judged": 5}
    (place / "input.json").write_text(json.dumps(raw))
    result = distill(TEACHER, "input.json")
    assert (result.errors["frames"], result.errors["selected"]) == (5, 3)
    assert len(result.errors["deviations"]) == 8
    assert len(read_labeled(place / "distill" / "round-01" / "data").frames) == 3
    weights = [
        read_checkpoint(place / "distill" / "round-00" / f"student-{k}" / "model.ckpt")[0]
        for k in range(2)
    ]
    assert not np.array_equal(*(w["weights/layer_0/matrix"] for w in weights))


@pytest.mark.slow
def test_a_student_selects_by_its_uncertainty(place):
    raw = json.loads(json.dumps(INPUT))
    raw["training"]["numb_steps"] = 4
    raw["distill"]["rounds"] = 1
    raw["distill"]["seed_frames"] = {"copies": 4, "steps": 0}
    select = {"criterion": "uncertainty", "low": 1e-9, "high": 100.0, "frames": 3, "judged": 5}
    raw["distill"]["select"] = select
    (place / "input.json").write_text(json.dumps(raw))
    result = distill(TEACHER, "input.json")
    assert (result.errors["frames"], result.errors["selected"]) == (5, 3)
    folder = place / "distill"
    assert len(read_labeled(folder / "round-01" / "data").frames) == 3
    atoms = read_labeled(folder / "round-00" / "judged").frames[0]
    # The file beside the student is its own, and gives what frames were selected by.
    atoms.calc = DP(folder / "student.pb", uncertainty=True)
    atoms.get_forces()
    largest = atoms.calc.results["force_errors"].max()
    assert np.abs(np.array(result.errors["deviations"]) / largest - 1).min() < 1e-3
    held_out = atoms.calc.dp.uncertainty.record["held_out"]
    assert held_out["atoms"] == sum(
        len(frame) for frame in read_labeled(folder / "round-00" / "judged").frames
    )


def test_wrong_inputs_are_one_sentence(place, capsys):
    for change, message in (
        ({"explore": {"temperatures": []}}, "distill/explore/temperatures"),
        ({"explore": {"tempratures": [1]}}, "did you mean distill/explore/temperatures"),
        ({"select": {"low": 2.0}}, "distill/select/low must be less than high"),
        ({"select": {"criterion": "guess"}}, "distill/select/criterion"),
        ({"select": {"criterion": "uncertainty"}, "ensemble": 2}, "set distill/ensemble to 1"),
        ({"supercell": [1, 0, 1]}, "distill/supercell"),
    ):
        raw = {**INPUT, "distill": {**INPUT["distill"], **change}}
        (place / "input.json").write_text(json.dumps(raw))
        assert main(["distill", TEACHER, "input.json"]) == 1
        assert message in capsys.readouterr().err
    assert not (place / "distill").exists()


def test_elements_that_nobody_knows_are_refused(place):
    raw = {**INPUT, "model": {"type_map": ["Cu"], **INPUT["model"]}}
    (place / "input.json").write_text(json.dumps(raw))
    with pytest.raises(DataError, match="contain Au, which model/type_map does not have"):
        distill(TEACHER, "input.json")
    assert not (place / "distill").exists(), "the corrected input would be refused"


def test_data_of_its_own_are_refused(place):
    raw = {**INPUT, "training": {"training_data": {"systems": "data"}}}
    (place / "input.json").write_text(json.dumps(raw))
    with pytest.raises(ConfigError, match="training_data/systems is reserved for the"):
        distill(TEACHER, "input.json")


def test_work_is_counted_in_hours(tmp_path):
    place = WorkDir(tmp_path / "work", {"distill": {}})
    for name in ("a", "round-00/b"):
        place.stage(name, dict)
    assert 0 <= place.hours() < 1 / 60
