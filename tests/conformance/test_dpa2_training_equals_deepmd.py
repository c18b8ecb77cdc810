"""A training of DPA-2 follows that of DeePMD-kit's PyTorch backend step by step."""

from __future__ import annotations

import json

import numpy as np
import pytest

from deepattn.config import ModelConfig, normalize_model
from deepattn.formats.dp_file import write_tree
from deepattn.models import build_model, read_model
from deepattn.models.dpmodel import to_tree
from deepattn.train import train

from .deepmd_kit import DP320PT, run_inside

STEPS = 20
TYPE_MAP = ["O", "H"]


def _prefactors(**ends):
    """The keys of a loss from prefactors at the start and at the end."""
    starts = {f"start_pref_{term}": start for term, (start, _) in ends.items()}
    return starts | {f"limit_pref_{term}": limit for term, (_, limit) in ends.items()}


# Fitting and loss by the name of the case.
TENSOR = {"type": "tensor", "pref": 0.6, "pref_atomic": 1.4}
CASES = {
    "ener": ({}, _prefactors(e=(0.02, 1.0), f=(1000.0, 1.0), v=(0.01, 1.0))),
    "dos": (
        {"type": "dos", "numb_dos": 3},
        {
            "type": "dos",
            **_prefactors(dos=(1.0, 0.5), ados=(0.3, 1.0), cdf=(0.1, 0.2), acdf=(0.1, 0.05)),
        },
    ),
    "dipole": ({"type": "dipole"}, TENSOR),
    "chosen": ({"type": "dipole"}, TENSOR),
    "polar": ({"type": "polar", "fit_diag": False, "scale": [0.7, 1.3]}, TENSOR),
    "intensive": (
        {"type": "property", "property_name": "gap", "task_dim": 2, "intensive": True},
        {"type": "property", "metric": ["mae", "mape", "mse", "smooth_mae"], "beta": 0.4},
    ),
    "extensive": (
        {"type": "property", "property_name": "gap", "task_dim": 2, "distinguish_types": False},
        {"type": "property", "metric": ["mae"], "loss_func": "mse"},
    ),
}
# Further keys of the section model.
MODELS = {"chosen": {"atom_exclude_types": [1]}}
# Our columns of the learning curve by theirs.
COLUMNS = {
    "rmse_global_dos": "rmse_dos",
    "rmse_local_dos": "rmse_ados",
    "rmse_global_cdf": "rmse_cdf",
    "rmse_local_cdf": "rmse_acdf",
    **{f"rmse_global_{name}": "rmse_gl" for name in ("dipole", "polar")},
    **{f"rmse_local_{name}": "rmse_lc" for name in ("dipole", "polar")},
}


def _write_system(folder):
    """One frame of eight atoms in a cell; returns the folder as a string."""
    rng = np.random.default_rng(5)
    data = folder / "set.000"
    data.mkdir(parents=True)
    (folder / "type.raw").write_text("0\n1\n1\n0\n1\n1\n0\n1\n")
    (folder / "type_map.raw").write_text("O\nH\n")
    lattice = 2.0 * np.indices((2, 2, 2)).reshape(3, -1).T
    coord = lattice + rng.normal(scale=0.15, size=(8, 3))
    arrays = {"coord": coord, "box": np.diag([4.4, 4.2, 4.0])}
    arrays |= {"energy": [-20.0], "force": rng.normal(size=24), "virial": rng.normal(size=9)}
    arrays |= {"dos": 8 * rng.uniform(size=3), "atom_dos": rng.uniform(size=(8, 3))}
    arrays |= {"dipole": rng.normal(size=3), "atomic_dipole": rng.normal(size=(8, 3))}
    arrays |= {"polarizability": 8 * rng.normal(size=9), "gap": rng.normal(size=2)}
    arrays |= {"atomic_polarizability": rng.normal(size=(8, 9))}
    for name, array in arrays.items():
        np.save(data / f"{name}.npy", np.reshape(array, (1, -1)))
    return str(folder)


def _input(system, case):
    """Every term of a layer, every block, the gradient clipped, a rate that decays."""
    fitting, loss = CASES[case]
    repinit = {"rcut": 3.0, "rcut_smth": 0.5, "nsel": 30, "neuron": [3, 6], "axis_neuron": 2}
    repinit |= {"tebd_dim": 5, "use_three_body": True, "three_body_neuron": [2, 4]}
    repinit |= {"three_body_rcut": 2.25, "three_body_rcut_smth": 1.0, "three_body_sel": 10}
    repformer = {"rcut": 2.5, "rcut_smth": 0.5, "nsel": 20, "nlayers": 2, "axis_neuron": 2}
    repformer |= {"g1_dim": 7, "g2_dim": 5, "attn1_hidden": 3, "attn1_nhead": 2, "update_h2": True}
    repformer |= {"attn2_hidden": 4, "attn2_nhead": 2, "update_style": "res_residual"}
    descriptor = {"type": "dpa2", "repinit": repinit, "repformer": repformer, "seed": 1}
    return {
        "model": {
            "type_map": TYPE_MAP,
            "descriptor": {**descriptor, "precision": "float64"},
            "fitting_net": {"neuron": [5, 5], "seed": 2, "precision": "float64", **fitting},
            **MODELS.get(case, {}),
        },
        "learning_rate": {"start_lr": 1e-3, "stop_lr": 1e-5, "decay_steps": 3},
        "loss": loss,
        "training": {
            "training_data": {"systems": [system], "batch_size": 1},
            "numb_steps": STEPS,
            "disp_freq": 1,
            "save_freq": STEPS,
            "seed": 1,
            "gradient_max_norm": 5.0,
        },
    }


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """A folder for each case with a model of random weights, and what ``dp --pt`` makes of it."""
    deepmd = DP320PT.require()
    folder, jobs = tmp_path_factory.mktemp("theirs"), []
    for case in CASES:
        work = folder / case
        _write_system(work / "system")
        (work / "input.json").write_text(json.dumps(_input("system", case)))
        _write_start(work / "start.dp", case)
        lines = [
            ["convert-backend", "start.dp", "start.pth"],
            ["--pt", "train", "input.json", "--init-frz-model", "start.pth"],
            ["--pt", "freeze", "-o", "end.pth"],
            ["convert-backend", "end.pth", "end.dp"],
        ]
        lines[1].append("--skip-neighbor-stat")
        jobs.append({"commands": [{"arguments": line, "folder": str(work)} for line in lines]})
    for job in jobs:
        for command in job["commands"]:
            command["output"] = str(folder / "log")
    run_inside(deepmd, "observables.py", jobs, folder)
    return folder


def _write_start(path, case):
    """A model with random weights, and statistics that are not those of a new model."""
    config = ModelConfig.from_dict(normalize_model(_input("", case)["model"]))
    arrays, rng = build_model(config).get_arrays(), np.random.default_rng(2)
    for name, array in arrays.items():
        if name.startswith("fitting_attr/"):
            arrays[name] = rng.uniform(0.5, 1.0, array.shape)
    if case == "ener":
        arrays["fitting_attr/t_bias_atom_e"] = np.array([-2.5, -2.5])
    write_tree(path, to_tree(config, arrays, min_nbor_dist=None))


def _curve(path):
    """The columns of a learning curve by name."""
    names = path.read_text().splitlines()[0].split()[2:-1]
    columns = np.loadtxt(path)[:, 1:-1].T
    return {name.removesuffix("_trn"): c for name, c in zip(names, columns, strict=True)}


@pytest.mark.parametrize("case", CASES)
def test_twenty_steps_are_the_same(theirs, tmp_path, monkeypatch, case):
    work = theirs / case
    (tmp_path / "input.json").write_text(json.dumps(_input(str(work / "system"), case)))
    monkeypatch.chdir(tmp_path)
    trainer = train("input.json", init_frz_model=work / "start.dp")

    # It calls the first step 1, and has no line after the last one.
    found = _curve(tmp_path / "lcurve.out")
    expected = _curve(work / "lcurve.out")
    assert expected
    for name, column in expected.items():
        ours = found[COLUMNS.get(name, name)]
        np.testing.assert_allclose(ours[:-1], column, rtol=2e-3, err_msg=name)

    before, after = read_model(work / "start.dp").arrays, read_model(work / "end.dp").arrays
    moved = 0
    for name, array in trainer.model.get_arrays().items():
        np.testing.assert_allclose(array, after[name], rtol=0, atol=1e-6, err_msg=name)
        moved += np.abs(after[name] - before[name]).max() > 1e-3
    assert moved > 40
