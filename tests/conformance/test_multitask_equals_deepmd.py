"""Several tasks: statistics, biases and the start of a fine-tuning are those of DeePMD-kit 3.2.0.

DeePMD-kit runs its PyTorch backend, the only one that supports it.
"""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from deepattn.config import read_input, upgrade
from deepattn.data import System
from deepattn.models import read_model
from deepattn.train import Trainer, train

from .deepmd_kit import DP320PT, run_inside

pytestmark = [pytest.mark.conformance, pytest.mark.slow]

TYPES = ["Nb", "Mo", "Ta", "W"]
# Frames of each system, and the branch or the fine-tuning it is for.
SYSTEMS = {"w": ("Mo8W8", 2), "nb": ("Mo10Nb6", 3), "new": ("Mo10Ta6", 2)}
DESCRIPTOR = {
    "type": "dpa1",
    "sel": 60,
    "rcut": 4.0,
    "rcut_smth": 1.0,
    "neuron": [4, 8],
    "axis_neuron": 3,
    "attn": 5,
    "attn_layer": 1,
    "tebd_input_mode": "strip",
    "smooth_type_embedding": True,
    "set_davg_zero": False,
    "seed": 1,
}
FITTING = {"neuron": [6, 6], "dim_case_embd": 2, "seed": 1}
BIAS, CASE = "fitting_attr/t_bias_atom_e", "fitting_attr/t_case_embd"


def _input():
    """Two branches that share everything; every batch is a whole system."""
    branch = {"type_map": "types", "descriptor": "net", "fitting_net": "fit"}
    data = {
        name: {"training_data": {"systems": [name], "batch_size": SYSTEMS[name][1]}}
        for name in ("w", "nb")
    }
    return {
        "model": {
            "shared_dict": {"types": TYPES, "net": DESCRIPTOR, "fit": FITTING},
            "model_dict": {"w": branch, "nb": branch},
        },
        "loss_dict": {"w": {"type": "ener"}, "nb": {"type": "ener"}},
        "learning_rate": {"type": "exp", "start_lr": 1e-3, "stop_lr": 1e-5, "decay_steps": 10},
        "training": {
            "data_dict": data,
            "model_prob": {"w": 1.0, "nb": 2.0},
            "numb_steps": 1,
            "disp_freq": 1,
            "save_freq": 1,
            "seed": 1,
        },
    }


def _finetuning():
    """One step so small that it changes nothing."""
    return {
        "model": {
            "type_map": TYPES,
            "descriptor": DESCRIPTOR,
            "fitting_net": FITTING,
            "data_stat_nbatch": 1,
            "data_bias_nsample": 0,
        },
        "loss": {"type": "ener"},
        "learning_rate": {"type": "exp", "start_lr": 1e-10, "stop_lr": 1e-11, "decay_steps": 10},
        "training": {
            "training_data": {"systems": ["new"], "batch_size": SYSTEMS["new"][1]},
            "numb_steps": 1,
            "disp_freq": 1,
            "save_ckpt": "finetuned.ckpt",
            "disp_file": "finetuned.out",
            "seed": 1,
        },
    }


def _write_systems(root, folder):
    for name, (source, count) in SYSTEMS.items():
        system = System(root / source)
        rows = np.arange(count)
        (folder / name / "set.000").mkdir(parents=True)
        types = " ".join(map(str, system.atype(rows)[0]))
        (folder / name / "type.raw").write_text(f"{types}\n")
        (folder / name / "type_map.raw").write_text(f"{' '.join(system.type_map)}\n")
        for key in ("coord", "box", "energy", "force"):
            np.save(folder / name / "set.000" / f"{key}.npy", system.load(key, rows))


@pytest.fixture(scope="module")
def deepmd(shared, tmp_path_factory):
    """The folder in which DeePMD-kit trained and fine-tuned."""
    DP320PT.require()
    folder = tmp_path_factory.mktemp("deepmd")
    _write_systems(shared / "data" / "monbtaw" / "npy" / "train" / "binary", folder)
    (folder / "input.json").write_text(json.dumps(_input()))
    finetuning = _finetuning()
    del finetuning["model"]["data_bias_nsample"]
    (folder / "finetune.json").write_text(json.dumps(finetuning))
    job = {"input": "input.json", "heads": ["w", "nb"], "finetune": "finetune.json", "branch": "w"}
    run_inside(DP320PT, "multitask.py", [job], folder)
    return folder


@pytest.fixture(scope="module")
def trainer(deepmd):
    """Our training of the same input, before its first step."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(deepmd)
        data = _input()
        data["training"] |= {"numb_steps": 0, "save_ckpt": "ours.ckpt", "disp_file": "ours.out"}
        yield Trainer(read_input(upgrade(data)))


def test_statistics_and_biases_are_deepmds(deepmd, trainer):
    biases = np.load(deepmd / "statistics.npz")
    for task in trainer.tasks:
        arrays = task.model.get_arrays()
        stored = read_model(deepmd / f"{task.name}.dp").arrays
        assert set(arrays) == set(stored)
        for name in ("descrpt_attr/t_avg", "descrpt_attr/t_std", CASE):
            np.testing.assert_allclose(arrays[name], stored[name], rtol=1e-9, err_msg=name)
        np.testing.assert_allclose(arrays[BIAS], biases[f"{task.name}/bias"], atol=1e-9)


def test_fine_tuning_from_a_branch_starts_at_deepmds_metrics(deepmd, trainer, monkeypatch):
    class First(keras.callbacks.Callback):
        metrics = None

        def on_test_end(self, logs=None):
            self.metrics = self.metrics or dict(logs)

    monkeypatch.chdir(deepmd)
    for task in trainer.tasks:
        task.model.set_arrays(read_model(f"{task.name}.dp").arrays)
    trainer.train()
    Path("ours.json").write_text(json.dumps(_finetuning()))
    first = First()
    tuned = train("ours.json", finetune="ours.ckpt", model_branch="w", callbacks=[first])
    bias = np.load("finetuned.npz")["bias"]
    np.testing.assert_allclose(tuned.model.get_arrays()[BIAS], bias, atol=1e-8)
    *_, line = [line for line in Path("finetuned.out").read_text().splitlines()]
    _, rmse, rmse_e, rmse_f, _ = map(float, line.split())
    assert first.metrics["rmse"] == pytest.approx(rmse, rel=5e-3)
    assert first.metrics["rmse_e"] == pytest.approx(rmse_e, rel=5e-3)
    assert first.metrics["rmse_f"] == pytest.approx(rmse_f, rel=5e-3)
