"""The example that the README runs: its data are what they are said to be, its commands work."""

import json
import runpy
import shutil
import sys
from pathlib import Path

import numpy as np
import processes
import pytest

from deepattn.cli.main import main
from deepattn.config import read_config
from deepattn.data import System, find_systems
from deepattn.distill.config import read_distill
from deepattn.plots.learning_curve import read_learning_curve

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "alloy"
SYSTEMS = sorted(path.parent for path in EXAMPLE.glob("data/*/*/type.raw"))


@pytest.fixture(scope="module")
def make_data():
    """The functions of ``make_data.py``."""
    return runpy.run_path(str(EXAMPLE / "make_data.py"))


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of the example, as working folder."""
    folder = tmp_path / "alloy"
    keep = shutil.ignore_patterns("*.out", "*.pb", "*.png", "model.ckpt*", "checkpoint", "distill")
    shutil.copytree(EXAMPLE, folder, ignore=keep)
    monkeypatch.chdir(folder)
    return folder


def _stored(folder: Path) -> dict[str, np.ndarray]:
    return {path.stem: np.load(path) for path in (folder / "set.000").glob("*.npy")}


def test_parts_and_sizes(make_data):
    for part, (compositions, nframes, _) in make_data["PARTS"].items():
        systems = [System(path) for path in find_systems(str(EXAMPLE / "data" / part))]
        names = sorted(Path(system.path).name for system in systems)
        assert names == sorted(make_data["formula"](counts) for counts in compositions)
        assert {(system.nframes, system.natoms) for system in systems} == {(nframes, 32)}
    assert sum(path.stat().st_size for path in EXAMPLE.glob("data/**/*.npy")) < 2e6


@pytest.mark.parametrize("folder", SYSTEMS, ids=lambda path: path.name)
def test_labels_are_those_of_the_potential(make_data, folder):
    from ase import Atoms

    arrays = _stored(folder)
    names = np.array((folder / "type_map.raw").read_text().split())
    symbols = names[np.loadtxt(folder / "type.raw", dtype=int)]
    coord = arrays["coord"][-1].reshape(-1, 3)
    again = make_data["label"](Atoms(symbols, coord, cell=arrays["box"][-1].reshape(3, 3)))
    for key in ("energy", "force", "virial"):
        np.testing.assert_allclose(again[key], arrays[key][-1], rtol=1e-5, atol=1e-5)


def test_script_gives_the_stored_frames(make_data):
    rng = np.random.default_rng([20240808, 3, 8, 8, 16])
    made = make_data["make_system"]((8, 8, 16), 2, rng)
    stored = _stored(EXAMPLE / "data" / "unseen" / "Ag8Pd8Au16")
    for key, array in made.items():
        np.testing.assert_allclose(array, stored[key][:2], rtol=1e-3, atol=1e-3)


def test_sets_share_no_frame():
    frames = np.concatenate([_stored(folder)["coord"] for folder in SYSTEMS])
    assert len(np.unique(frames.round(3), axis=0)) == len(frames) == 1040


def test_input_is_valid(copy):
    config = read_config("input.json")
    assert config.model.descriptor.attn_layer > 0
    assert [Path(system).is_dir() for system in config.training.training_data.systems] == [True]


def test_input_of_the_distillation_is_valid(copy):
    from deepattn.distill.student import normalize_student

    config, student = read_distill("distill.json")
    assert [Path(system).is_dir() for system in config.systems] == [True]
    assert student["model"]["type_map"] == list(read_config("input.json").model.type_map)
    normalize_student(student)


@pytest.mark.slow
def test_commands_of_run_sh(copy):
    raw = json.loads((copy / "input.json").read_text())
    raw["training"].update(numb_steps=20, disp_freq=10, save_freq=20)
    (copy / "input.json").write_text(json.dumps(raw))
    lines = (copy / "run.sh").read_text().splitlines()
    commands = [line.split()[1:] for line in lines if line.startswith("deepattn ")]
    assert [command[0] for command in commands] == "train freeze test test plot plot".split()
    for command in commands:
        done = processes.run([sys.executable, "-m", "deepattn", *command])
        assert done.returncode == 0, done.stderr
    for name in ("model.pb", "valid.f.out", "unseen.v_peratom.out", "lcurve.png", "parity.png"):
        assert (copy / name).stat().st_size > 1000, name


@pytest.mark.slow
def test_two_tasks_learn_and_are_frozen(copy):
    raw = json.loads((copy / "tasks.json").read_text())
    raw["training"].update(numb_steps=60, disp_freq=60, save_freq=60)
    (copy / "tasks.json").write_text(json.dumps(raw))
    assert main(["train", "tasks.json"]) == 0
    curve = read_learning_curve("lcurve.out")
    for branch in ("AgPd", "gold"):
        first, last = curve[f"rmse_f_val_{branch}"]
        assert last < 0.8 * first
        assert main(["freeze", "-c", ".", "-o", f"{branch}.dp", "--head", branch]) == 0


@pytest.mark.slow
def test_keras_model_learns_the_pressure(copy, capsys):
    script = runpy.run_path("pressure.py")
    script["main"]()
    lines = [line for line in capsys.readouterr().out.splitlines() if "val_rmse" in line]
    for name, share in ((" rmse:", 0.6), (" val_rmse:", 0.75)):
        errors = [float(line.split(name)[1].split()[0]) for line in lines]
        assert len(errors) == script["EPOCHS"]
        assert errors[-1] < share * errors[0], errors
