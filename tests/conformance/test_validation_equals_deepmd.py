"""Full validations, best checkpoints and averages of the weights are those of DeePMD-kit 3.2.0.

DeePMD-kit runs its PyTorch backend, from which the keys come.
"""

from __future__ import annotations

import json

import numpy as np
import pytest

from deepattn.models import read_model
from deepattn.train import train

from .deepmd_kit import DP320PT, run_inside
from .torch_trainings import model_section, prefactor_keys, write_start

pytestmark = [pytest.mark.conformance, pytest.mark.slow]

STEPS = 24


def _write_system(folder, types, nframes, *, seed, sets=1, periodic=True, without=()):
    """Frames on a jiggled lattice, in one or several sets; returns the folder as a string."""
    rng = np.random.default_rng(seed)
    natoms = len(types)
    lattice = 2.0 * np.indices((2, 2, 2)).reshape(3, -1).T[:natoms]
    folder.mkdir(parents=True)
    (folder / "type.raw").write_text("\n".join(map(str, types)) + "\n")
    (folder / "type_map.raw").write_text("O\nH\n")
    if not periodic:
        (folder / "nopbc").touch()
    for number in range(sets):
        data = folder / f"set.{number:03d}"
        data.mkdir()
        arrays = {
            "coord": lattice + rng.normal(scale=0.15, size=(nframes, natoms, 3)),
            "energy": rng.normal(size=nframes) * 0.1 - 2.5 * natoms,
            "force": rng.normal(size=(nframes, natoms, 3)),
            "virial": rng.normal(size=(nframes, 9)),
        }
        if periodic:
            arrays["box"] = np.tile(np.diag([4.4, 4.2, 4.0]).ravel(), (nframes, 1))
        for name, array in arrays.items():
            if name not in without:
                np.save(data / f"{name}.npy", array.reshape(nframes, -1))
    return str(folder)


def _systems(folder):
    """One training frame, so that both draw the same, and validation systems of every kind."""
    types = [0, 1, 1, 0, 1, 1, 0, 1]
    training = [_write_system(folder / "train", types, 1, seed=5)]
    validation = [
        _write_system(folder / "two_sets", types, 3, seed=6, sets=2),
        _write_system(folder / "open", [0, 1, 1], 4, seed=7, periodic=False),
        _write_system(folder / "no_virial", [1, 0, 1, 0], 2, seed=8, without=("virial",)),
    ]
    return training, validation


def _input(folder, metric, *, averages=False):
    systems, valid = _systems(folder)
    prefactors = {"e": (0.02, 1.0), "f": (1000.0, 1.0), "v": (0.01, 1.0)}
    return {
        "model": model_section(),
        # Large, so that the errors rise and fall.
        "learning_rate": {"start_lr": 3e-2, "stop_lr": 1e-3, "decay_steps": 3},
        "loss": prefactor_keys(prefactors),
        "training": {
            "training_data": {"systems": systems, "batch_size": 1},
            "validation_data": {"systems": valid, "batch_size": 1},
            "numb_steps": STEPS,
            "disp_freq": 6,
            "save_freq": 6,
            "max_ckpt_keep": 3,
            "seed": 1,
            "enable_ema": averages,
            "ema_decay": 0.8,
            "ema_ckpt_keep": 2,
        },
        "validating": {
            "full_validation": True,
            "ema_full_validation": averages,
            "validation_freq": 2,
            "full_val_start": 0.2,
            "validation_metric": metric,
            "max_best_ckpt": 3,
        },
    }


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """A file of a model with random weights, the energy per atom of the data as bias."""
    DP320PT.require()
    folder = tmp_path_factory.mktemp("start")
    write_start(folder / "start.dp")
    return folder / "start.dp"


def _run_both(start, folder, monkeypatch, metric, *, averages=False):
    """Folders in which DeePMD-kit and deepattn have trained, from the same weights."""
    theirs, ours = folder / "theirs", folder / "ours"
    for place in (theirs, ours):
        place.mkdir()
        data = _input(place / "data", metric, averages=averages)
        (place / "input.json").write_text(json.dumps(data))
    data["model"]["convention"] = "common"
    (ours / "input.json").write_text(json.dumps(data))
    commands = [
        ["convert-backend", str(start), "start.pth"],
        ["--pt", "train", "input.json", "--init-frz-model", "start.pth", "--skip-neighbor-stat"],
    ]
    jobs = [{"arguments": command, "output": "log"} for command in commands]
    run_inside(DP320PT, "commands.py", jobs, theirs)
    monkeypatch.chdir(ours)
    train("input.json", init_frz_model=start)
    return theirs, ours


def _log(path):
    """The lines of a log of validations without the legend, names of files without their ending."""
    lines = path.read_text().replace(".pt (", ".h5 (").splitlines()
    return [line.rstrip() for number, line in enumerate(lines) if number != 1]


def _kept(folder, pattern):
    """Names of checkpoints without their ending; links, which both have too, do not count."""
    return sorted(path.stem for path in folder.glob(pattern) if not path.is_symlink())


@pytest.mark.parametrize("metric", ["F:RMSE", "V:MAE"])
def test_validations_and_best_checkpoints(start, tmp_path, monkeypatch, metric):
    theirs, ours = _run_both(start, tmp_path, monkeypatch, metric)
    assert _log(ours / "val.log") == _log(theirs / "val.log")
    assert _kept(ours, "best.ckpt-*") == _kept(theirs, "best.ckpt-*")
    assert len(_kept(ours, "best.ckpt-*")) == 3
    _compare_weights(theirs, ours, _kept(theirs, "best.ckpt-*"))


def _compare_weights(theirs, ours, names):
    for name in names:
        expected = read_model(theirs / f"{name}.pt").arrays
        for key, array in read_model(ours / f"{name}.h5").arrays.items():
            np.testing.assert_allclose(array, expected[key], rtol=0, atol=1e-7, err_msg=key)


def test_averages(start, tmp_path, monkeypatch):
    theirs, ours = _run_both(start, tmp_path, monkeypatch, "E:RMSE", averages=True)
    for name in ("val.log", "val_ema.log"):
        assert _log(ours / name) == _log(theirs / name)
    assert _log(ours / "val.log") != _log(ours / "val_ema.log")
    for pattern, count in (
        ("best.ckpt-*", 3),
        ("best_ema.ckpt-*", 3),
        ("model.ckpt-*", 3),
        ("model_ema.ckpt-*", 2),
    ):
        names = _kept(theirs, pattern)
        assert len(names) == count
        assert _kept(ours, pattern) == names
        _compare_weights(theirs, ours, names)
