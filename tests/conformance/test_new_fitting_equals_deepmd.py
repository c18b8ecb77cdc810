"""Fine-tuning with a fitting net of another kind starts from what ``dp --pt`` starts from."""

from __future__ import annotations

import json

import numpy as np
import pytest

from deepattn.export import convert
from deepattn.formats.weight_names import PROPERTY_SPREAD
from deepattn.models import read_model
from deepattn.train import train

from .deepmd_kit import DP320PT, run_inside
from .torch_trainings import TYPE_MAP, model_section, write_start

pytestmark = [pytest.mark.conformance, pytest.mark.slow]

DESCRIPTOR = {"type": "dpa1", "attn_layer": 0, "sel": 20, "rcut": 3.0, "rcut_smth": 0.5}
DESCRIPTOR |= {"neuron": [4, 8], "axis_neuron": 3, "tebd_dim": 4, "seed": 1, "precision": "float64"}
PROPERTY = {"type": "property", "property_name": "band", "task_dim": 2, "seed": 3}
PROPERTY |= {"intensive": True, "neuron": [6, 6], "precision": "float64"}


def _write_system(folder):
    """Three frames of six atoms with energies and a property."""
    rng = np.random.default_rng(5)
    (folder / "set.000").mkdir(parents=True)
    (folder / "type.raw").write_text("0 1 1 0 1 1\n")
    (folder / "type_map.raw").write_text("\n".join(TYPE_MAP) + "\n")
    lattice = 2.0 * np.indices((2, 2, 2)).reshape(3, -1).T[:6]
    arrays = {
        "coord": lattice + rng.normal(scale=0.15, size=(3, 6, 3)),
        "box": np.tile(np.diag([4.4, 4.2, 4.0]).ravel(), (3, 1)),
        "energy": rng.normal(size=3),
        "band": rng.normal(size=(3, 2)),
    }
    for name, array in arrays.items():
        np.save(folder / "set.000" / f"{name}.npy", array.reshape(3, -1))
    return str(folder)


def test_a_property_from_a_model_of_energies(tmp_path, monkeypatch) -> None:
    DP320PT.require()
    monkeypatch.chdir(tmp_path)
    write_start(tmp_path / "energy.dp", descriptor=DESCRIPTOR)
    convert("energy.dp", "energy.pt")
    content = {
        "model": {**model_section(descriptor=DESCRIPTOR), "fitting_net": PROPERTY},
        "learning_rate": {"start_lr": 1e-12, "stop_lr": 1e-13, "decay_steps": 5},
        "loss": {"type": "property", "loss_func": "mse"},
        "training": {
            "training_data": {"systems": [_write_system(tmp_path / "system")], "batch_size": 3},
            "numb_steps": 1,
            "save_freq": 1,
            "save_ckpt": "theirs",
        },
    }
    (tmp_path / "theirs.json").write_text(json.dumps(content))
    start = ["--finetune", "energy.pt", "--model-branch", "RANDOM", "--skip-neighbor-stat"]
    job = {"arguments": ["--pt", "train", "theirs.json", *start], "output": "log"}
    run_inside(DP320PT, "commands.py", [job], tmp_path)

    content["training"]["save_ckpt"] = "ours"
    (tmp_path / "ours.json").write_text(json.dumps(content))
    train("ours.json", finetune="energy.pt", model_branch="RANDOM")
    energy, theirs, ours = (
        read_model(name).arrays for name in ("energy.pt", "theirs-1.pt", "ours-1.h5")
    )
    for name, array in ours.items():
        assert theirs[name].shape == array.shape, name
        if not name.startswith(("layer_", "final_layer")):  # drawn anew
            np.testing.assert_allclose(array, theirs[name], rtol=0, atol=1e-9, err_msg=name)
        if name in energy and name.startswith(("filter_type", "type_embed_net")):
            np.testing.assert_allclose(array, energy[name], rtol=0, atol=1e-9, err_msg=name)
    assert (ours[PROPERTY_SPREAD] != 1).all()
