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
    for name, array in arrays.items():
        np.save(data / f"{name}.npy", np.reshape(array, (1, -1)))
    return str(folder)


def _input(system):
    """Every term of a layer, every block, the gradient clipped, a rate that decays."""
    repinit = {"rcut": 3.0, "rcut_smth": 0.5, "nsel": 30, "neuron": [3, 6], "axis_neuron": 2}
    repinit |= {"tebd_dim": 5, "use_three_body": True, "three_body_neuron": [2, 4]}
    repinit |= {"three_body_rcut": 2.25, "three_body_rcut_smth": 1.0, "three_body_sel": 10}
    repformer = {"rcut": 2.5, "rcut_smth": 0.5, "nsel": 20, "nlayers": 2, "axis_neuron": 2}
    repformer |= {"g1_dim": 7, "g2_dim": 5, "attn1_hidden": 3, "attn1_nhead": 2, "update_h2": True}
    repformer |= {"attn2_hidden": 4, "attn2_nhead": 2, "update_style": "res_residual"}
    descriptor = {"type": "dpa2", "repinit": repinit, "repformer": repformer, "seed": 1}
    prefactors = {"e": (0.02, 1.0), "f": (1000.0, 1.0), "v": (0.01, 1.0)}
    loss = {f"start_pref_{key}": values[0] for key, values in prefactors.items()}
    return {
        "model": {
            "type_map": TYPE_MAP,
            "descriptor": {**descriptor, "precision": "float64"},
            "fitting_net": {"neuron": [5, 5], "seed": 2, "precision": "float64"},
        },
        "learning_rate": {"start_lr": 1e-3, "stop_lr": 1e-5, "decay_steps": 3},
        "loss": {**loss, **{f"limit_pref_{key}": v[1] for key, v in prefactors.items()}},
        "training": {
            "training_data": {"systems": [system], "batch_size": 1},
            "numb_steps": STEPS,
            "disp_freq": 1,
            "save_freq": STEPS,
            "seed": 1,
            "gradient_max_norm": 5.0,
        },
    }


@pytest.fixture
def start(tmp_path):
    """A file of a model with random weights, the energy per atom of the frame as bias."""
    config = ModelConfig.from_dict(normalize_model(_input("")["model"]))
    arrays = build_model(config).get_arrays()
    arrays["fitting_attr/t_bias_atom_e"] = np.array([-2.5, -2.5])
    write_tree(tmp_path / "start.dp", to_tree(config, arrays, min_nbor_dist=None))
    return tmp_path / "start.dp"


def test_twenty_steps_are_the_same(start, tmp_path, monkeypatch):
    deepmd = DP320PT.require()
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    for folder in (theirs, ours):
        folder.mkdir()
        text = json.dumps(_input(_write_system(folder / "system")))
        (folder / "input.json").write_text(text)
    commands = [
        ["convert-backend", str(start), "start.pth"],
        ["--pt", "train", "input.json", "--init-frz-model", "start.pth", "--skip-neighbor-stat"],
        ["--pt", "freeze", "-o", "end.pth"],
        ["convert-backend", "end.pth", "end.dp"],
    ]
    jobs = [{"arguments": command, "output": "log"} for command in commands]
    run_inside(deepmd, "commands.py", jobs, theirs)
    monkeypatch.chdir(ours)
    trainer = train("input.json", init_frz_model=start)

    # It calls the first step 1, and has no line after the last one.
    expected = np.loadtxt(theirs / "lcurve.out")
    found = np.loadtxt("lcurve.out")
    np.testing.assert_allclose(found[:-1, 1:], expected[:, 1:], rtol=2e-3)

    before, after = read_model(start).arrays, read_model(theirs / "end.dp").arrays
    moved = 0
    for name, array in trainer.model.get_arrays().items():
        np.testing.assert_allclose(array, after[name], rtol=0, atol=1e-6, err_msg=name)
        moved += np.abs(after[name] - before[name]).max() > 1e-3
    assert moved > 40
