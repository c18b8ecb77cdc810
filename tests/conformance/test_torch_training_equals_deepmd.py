"""Optimizers and losses that only DeePMD-kit's PyTorch backend has: the same learning curves."""

from __future__ import annotations

import json

import numpy as np
import pytest

from deepattn.formats.weight_names import BIAS
from deepattn.models import read_model
from deepattn.train import train

from .deepmd_kit import DP320PT, run_inside
from .torch_trainings import TYPE_MAP, columns, model_section, prefactor_keys, write_start

pytestmark = [pytest.mark.conformance, pytest.mark.slow]

STEPS = 20
TYPES = [0, 1, 1, 0, 1, 1, 0, 1]
# Not the weighted forces: DeePMD-kit's PyTorch backend fails on atom_pref.npy.
PREFACTORS = {"e": (0.02, 1.0), "f": (1000.0, 1.0), "v": (0.01, 1.0), "ae": (0.1, 0.5)}
HESSIAN = prefactor_keys({"h": (10.0, 1.0)})
# Models other than the plain one, by case.
MODELS = {
    "protected": {"descriptor": {**model_section()["descriptor"], "env_protection": 0.2}},
    "excluded": {"pair_exclude_types": [[0, 0]], "atom_exclude_types": [1]},
    "default": {"fitting_net": {"numb_fparam": 2, "default_fparam": [0.5, -0.2]}},
}
CASES = {
    "adamw": ({"type": "AdamW", "weight_decay": 0.5}, {}),
    "adam with a penalty": ({"type": "Adam", "weight_decay": 0.01, "adam_beta1": 0.8}, {}),
    "mae": ({}, {"loss_func": "mae"}),
    "lengths": ({}, {"loss_func": "mae", "f_use_norm": True, "relative_f": 0.5}),
    "hessian": ({}, HESSIAN),
    "hessian mae": ({}, {**HESSIAN, "loss_func": "mae"}),
    "protected": ({}, {}),
    "excluded": ({}, {}),
    "default": ({}, {}),
    "huber": ({}, {"use_huber": True, "f_use_norm": True, "huber_delta": [0.1, 0.5, 0.2]}),
}


def _write_system(folder):
    """One frame of eight atoms with every label; returns the folder as a string."""
    rng = np.random.default_rng(5)
    data = folder / "set.000"
    data.mkdir(parents=True)
    (folder / "type.raw").write_text("\n".join(map(str, TYPES)) + "\n")
    (folder / "type_map.raw").write_text("\n".join(TYPE_MAP) + "\n")
    lattice = 2.0 * np.indices((2, 2, 2)).reshape(3, -1).T
    arrays = {
        "coord": lattice + rng.normal(scale=0.15, size=(8, 3)),
        "box": np.diag([4.4, 4.2, 4.0]),
        "energy": np.array(-20.3),
        "force": rng.normal(size=24),
        "virial": rng.normal(size=9),
        "atom_ener": rng.normal(size=8) - 2.5,
        "hessian": rng.normal(size=(24, 24)),
    }
    for name, array in arrays.items():
        np.save(data / f"{name}.npy", array.reshape(1, -1))
    return str(folder)


def _input(name, system):
    optimizer, loss = CASES[name]
    return {
        "model": model_section(**MODELS.get(name, {})),
        "learning_rate": {"start_lr": 1e-2, "stop_lr": 1e-3, "decay_steps": 3},
        "loss": {**prefactor_keys(PREFACTORS), **loss},
        "optimizer": optimizer,
        "training": {
            "training_data": {"systems": [system], "batch_size": 1},
            "numb_steps": STEPS,
            "disp_freq": 1,
            "disp_file": f"{name.replace(' ', '_')}.out",
            "save_freq": STEPS,
            "seed": 1,
        },
    }


@pytest.fixture(scope="module")
def deepmd(tmp_path_factory):
    """A folder with a start, and the inputs and learning curves of DeePMD-kit by case."""
    DP320PT.require()
    folder = tmp_path_factory.mktemp("deepmd")
    system = _write_system(folder / "system")
    data = {name: _input(name, system) for name in CASES}
    commands = []
    for file, options in {"start": {}, **MODELS}.items():
        write_start(folder / f"{file}.dp", **options)
        commands.append(["convert-backend", f"{file}.dp", f"{file}.pth"])
    for name, content in data.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
        start = ["--init-frz-model", f"{_start(name)}.pth", "--skip-neighbor-stat"]
        commands.append(["--pt", "train", f"{name}.json", *start])
    (folder / "scratch.json").write_text(json.dumps(_scratch(system)))
    commands.append(["--pt", "train", "scratch.json", "--skip-neighbor-stat"])
    jobs = [{"arguments": command, "output": "log"} for command in commands]
    run_inside(DP320PT, "commands.py", jobs, folder)
    return folder, data | {"scratch": _scratch(system)}


def _scratch(system):
    """One step of a model with protected distances, from its statistics."""
    content = _input("protected", system)
    content["training"] |= {
        "numb_steps": 1,
        "save_ckpt": "scratch.ckpt",
        "disp_file": "scratch.out",
    }
    return content


def _start(name):
    return name if name in MODELS else "start"


@pytest.mark.parametrize("name", CASES)
def test_learning_curves_are_the_same(deepmd, tmp_path, monkeypatch, name):
    folder, data = deepmd
    monkeypatch.chdir(tmp_path)
    content = data[name]
    content["model"]["convention"] = "common"
    (tmp_path / "input.json").write_text(json.dumps(content))
    train("input.json", init_frz_model=folder / f"{_start(name)}.dp")
    curve = content["training"]["disp_file"]
    found, expected = columns(tmp_path / curve), columns(folder / curve)
    # DeePMD-kit calls the first step 1, and has no line after the last one.
    assert found.pop("step")[:-1] == [str(step) for step in range(STEPS)]
    assert expected.pop("step") == [str(step + 1) for step in range(STEPS)]
    assert {key: values[:-1] for key, values in found.items()} == expected
    assert found["rmse_trn"][0] != found["rmse_trn"][-1]


def test_statistics_with_protected_distances_are_the_same(deepmd, tmp_path, monkeypatch):
    folder, data = deepmd
    monkeypatch.chdir(tmp_path)
    content = {**data["scratch"], "model": {**data["scratch"]["model"], "convention": "common"}}
    (tmp_path / "input.json").write_text(json.dumps(content))
    found = train("input.json").model.get_arrays()
    expected = read_model(folder / "scratch.ckpt-1.pt").arrays
    for name in ("descrpt_attr/t_avg", "descrpt_attr/t_std", BIAS):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-8, atol=1e-8, err_msg=name)
    assert np.ptp(expected["descrpt_attr/t_std"]) > 0
