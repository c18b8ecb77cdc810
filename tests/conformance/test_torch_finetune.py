"""Fine-tuning of descriptors whose types have nets of their own takes the steps of ``dp --pt``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from deepattn.export import convert
from deepattn.models import read_model
from deepattn.train import train

from .deepmd_kit import DP320PT, run_inside
from .small_system import loss, write_system
from .torch_trainings import assert_same_curve, columns, model_section, write_start

pytestmark = [pytest.mark.conformance, pytest.mark.slow]

STEPS = 3
COMMON = {"rcut": 3.0, "rcut_smth": 0.5, "neuron": [4, 8], "seed": 1, "precision": "float64"}
PAIRS = {"type": "se_e2_a", "sel": [12, 20], "axis_neuron": 3, **COMMON}
DISTANCES = {"type": "se_e2_r", "sel": [12, 20], "type_one_side": True, **COMMON}
DESCRIPTORS = {
    "pairs": PAIRS,
    "sides": {**PAIRS, "type_one_side": True},
    "distances": DISTANCES,
    "angles": {**COMMON, "type": "se_e3", "sel": [12, 20]},
    "hybrid": {"type": "hybrid", "list": [PAIRS, {**DISTANCES, "rcut": 2.6}]},
}


def _input(name: str, system: str, whose: str) -> dict:
    return {
        "model": model_section(descriptor=DESCRIPTORS[name]),
        "learning_rate": {"type": "exp", "start_lr": 1e-3, "stop_lr": 1e-4, "decay_steps": 2},
        "loss": loss(),
        "training": {
            "training_data": {"systems": [system], "batch_size": 3},
            "numb_steps": STEPS,
            "disp_freq": 1,
            "save_freq": STEPS,
            "save_ckpt": f"{whose}_{name}",
            "disp_file": f"{whose}_{name}.out",
        },
    }


@pytest.fixture(scope="module")
def deepmd(tmp_path_factory) -> Path:
    """A folder in which DeePMD-kit has fine-tuned a file of each."""
    DP320PT.require()
    folder = tmp_path_factory.mktemp("deepmd")
    system = write_system(folder / "system", nframes=3)
    jobs = []
    for name, descriptor in DESCRIPTORS.items():
        write_start(folder / f"{name}.dp", descriptor=descriptor)
        convert(folder / f"{name}.dp", folder / f"{name}.pt")
        for whose in ("theirs", "ours"):
            content = _input(name, system, whose)
            if whose == "ours":
                content["model"]["convention"] = "common"
            (folder / f"{whose}_{name}.json").write_text(json.dumps(content))
        start = ["--finetune", f"{name}.pt", "--skip-neighbor-stat"]
        words = ["--pt", "train", f"theirs_{name}.json", *start]
        jobs.append({"arguments": words, "output": f"log_{name}"})
    run_inside(DP320PT, "commands.py", jobs, folder)
    return folder


@pytest.mark.parametrize("name", DESCRIPTORS)
def test_steps_are_the_same(deepmd: Path, name: str, monkeypatch) -> None:
    """The shifted bias, which all errors of the first line follow from, and all weights."""
    monkeypatch.chdir(deepmd)
    trainer = train(f"ours_{name}.json", finetune=f"{name}.pt")
    assert_same_curve(columns(Path(f"ours_{name}.out")), columns(Path(f"theirs_{name}.out")))
    theirs = read_model(f"theirs_{name}-{STEPS}.pt").arrays
    for key, array in trainer.model.get_arrays().items():
        np.testing.assert_allclose(array, theirs[key], rtol=0, atol=1e-7, err_msg=key)
