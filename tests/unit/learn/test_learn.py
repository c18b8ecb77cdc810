"""A whole loop, stopped in every stage; jobs that outlive the command, and are killed."""

import csv
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.io import write
from small_models import SMALLEST, small_model

from deepattn.data import System
from deepattn.distill.labeled import read_labeled
from deepattn.errors import ConfigError
from deepattn.export import freeze
from deepattn.formats.checkpoint import read_checkpoint
from deepattn.infer import DeepPot
from deepattn.learn import learn, learning
from deepattn.learn.labels import source
from deepattn.learn.labels.store import LabelStore

from .codes import morse, section, write_template

needs_dpdispatcher = pytest.mark.skipif(
    importlib.util.find_spec("dpdispatcher") is None, reason="dpdispatcher is not installed"
)
# As many as the variable says; fifty take a quarter of an hour.
KILLS = int(os.environ.get("DEEPATTN_KILLS", "3"))
TRAINING = {"numb_steps": 10, "save_freq": 5, "disp_freq": 10}
LEARN = {
    "systems": "start.extxyz",
    "rounds": 2,
    "threshold": 1e-6,
    "explore": {"temperatures": [300], "runs": 2, "steps": 12, "every": 2, "timestep": 2},
    "seed_frames": {"copies": 5, "frames": 8},
    "select": {"low": 1e-9, "high": 1e6, "frames": 3, "judged": 5},
    "later": {"numb_steps": 5},
}


class Killed(BaseException):
    """Like SIGKILL: it cannot be handled."""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder with structures and an input."""
    frames = []
    for k in range(2):
        atoms = bulk("Cu", cubic=True, a=3.7)
        atoms.symbols[k], atoms.symbols[3] = "Au", "Au"
        frames.append(atoms)
    write(tmp_path / "start.extxyz", frames)
    (tmp_path / "learn_codes.py").write_text(
        "from ase.calculators.morse import MorsePotential\n"
        "def make():\n"
        "    return MorsePotential(epsilon=0.3, r0=2.6, rho0=4.0, rcut1=3.5, rcut2=4.5)\n"
    )
    monkeypatch.setenv("RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def write_input(labels, **keys):
    Path("loop.json").write_text(
        json.dumps(
            {"learn": {**LEARN, "labels": labels, **keys}, "model": SMALLEST, "training": TRAINING}
        )
    )


def killing(monkeypatch, owner, name):
    """Make a function end the program after its work."""
    original = getattr(owner, name)

    def kill(*args, **kwargs):
        original(*args, **kwargs)
        raise Killed

    monkeypatch.setattr(owner, name, kill)


@pytest.mark.slow
def test_stopped_in_its_stages_it_gives_the_same_model(place, monkeypatch):
    write_input({"type": "calculator", "calculator": "learn_codes:make"})
    whole = learn("loop.json", "whole")
    assert not whole.reached and "learn/rounds" in whole.reason
    # The stages of all commands of rounds are killed in the tests of distill.
    for owner, name in (
        (learning, "check_settings"),
        (source.StoredLabeler, "label"),
        (learning, "copy_model"),
        (learning, "publish_data"),
    ):
        with monkeypatch.context() as patch, pytest.raises(Killed):
            killing(patch, owner, name)
            learn("loop.json", "killed")
    again = learn("loop.json", "killed")
    assert again.errors["force"] == whole.errors["force"]
    arrays, others = (
        read_checkpoint(place / folder / "round-01" / "model-0" / "model.ckpt")[0]
        for folder in ("whole", "killed")
    )
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, others[name], err_msg=name)
    assert not list((place / "killed").rglob("batch.json"))
    _check_data(place / "killed")
    _check_report(place / "killed", again)
    write_input({"type": "calculator", "calculator": "ase.calculators.emt:EMT"})
    with pytest.raises(ConfigError, match="started with another labels/calculator"):
        learn("loop.json", "killed")


def _check_data(folder):
    """All labels are published, each frame with its origin."""
    data = read_labeled(folder / "data")
    parts = [read_labeled(folder / f"round-{n:02d}" / "data") for n in range(3)]
    assert len(data.frames) == sum(len(part.frames) for part in parts) > 20
    rows = list(csv.DictReader((folder / "provenance.csv").read_text().splitlines()))
    assert len(rows) == len(data.frames)
    store = LabelStore(folder / "labels")
    for row in rows:
        system = System(folder / "data" / row["system"])
        label = json.loads((folder / row["label"] / "label.json").read_text())
        assert system.load("energy", [int(row["frame"])])[0, 0] == label["energy"]
        assert row["origin"] == "dynamics" or row["round"] == "0"
    assert {row["temperature"] for row in rows} == {"", "300.0"}
    for atoms, labels in zip(data.frames, data.labels, strict=True):
        atoms.calc = morse()
        assert labels.energy == pytest.approx(atoms.get_potential_energy())
        assert store.place(atoms).is_dir()


def _check_report(folder, result):
    report = json.loads((folder / "report.json").read_text())
    assert report["rounds"][1]["rmse_force"] == result.errors["force"]
    assert report["checks"] == {"repeated": {"energy": 0.0, "force": 0.0}}
    page = (folder / "report.html").read_text()
    assert "<td>2 (none)</td>" in page
    assert page.count("<img") == 2 and f"{1e3 * result.errors['force']:.1f} meV/Å" in page
    with DeepPot(str(folder / "model.pb")) as model:
        assert model.get_type_map() == ["Au", "Cu"]


@needs_dpdispatcher
@pytest.mark.slow
def test_loops_and_jobs_that_are_killed_come_to_the_same_end(place):
    write_template(place)
    few = {
        "rounds": 2,
        "seed_frames": {"copies": 3, "frames": 4},
        "explore": {**LEARN["explore"], "runs": 1},
        "student": {
            "distill": {
                "rounds": 1,
                "explore": {**LEARN["explore"], "runs": 1},
                "seed_frames": {"copies": 3, "steps": 0},
            },
            "model": SMALLEST,
            "training": TRAINING,
        },
    }
    write_input(section(place, parallel=2), **few)
    result = killed("killed_loops.py", place)
    assert result["faults"] == [], (place / "log").read_text()[-3000:]
    assert result["kills"] >= KILLS


@needs_dpdispatcher
@pytest.mark.slow
def test_jobs_that_are_killed_label_nothing_twice(place):
    write_template(place)
    result = killed("killed_jobs.py", place)
    assert result["faults"] == [], (place / "log").read_text()[-3000:]
    assert result["kills"] >= KILLS


@needs_dpdispatcher
@pytest.mark.slow
def test_dynamics_that_is_killed_is_not_run_twice(place):
    freeze(small_model({"type": "se_e2_r"}), place / "graph.pb", training_script={})
    result = killed("killed_dynamics.py", place)
    assert result["faults"] == [], (place / "log").read_text()[-3000:]
    assert result["kills"] >= KILLS


def killed(name, place):
    """What a program that kills has found; a process of its own, whose children begin with all
    imported."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name(name)), str(place), str(KILLS), "1"],
        env={**os.environ, "TAKES": "0.4"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
