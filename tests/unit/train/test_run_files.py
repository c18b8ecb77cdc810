"""Files of complete trainings, and messages and leftovers of failed ones."""

import json
import os

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepattn import __version__
from deepattn.errors import ConfigError, DataError
from deepattn.formats import files
from deepattn.formats.checkpoint import read_checkpoint
from deepattn.plots.learning_curve import read_learning_curve
from deepattn.train import NonFiniteError

from . import toy


def test_files_of_a_run(here, systems, caplog):
    with caplog.at_level("INFO", "deepattn"):
        trainer = toy.run(
            here, systems, valid=systems[:1], max_ckpt_keep=2, descriptor={"attn_layer": 1}
        )
    names = {path.name for path in here.iterdir()}
    assert names == {
        "input.json",
        "input_v2_compat.json",
        "out.json",
        "lcurve.out",
        "checkpoint",
        "model.ckpt.h5",
        "model.ckpt-10.h5",
        "model.ckpt-12.h5",
    }
    curve = read_learning_curve("lcurve.out")
    assert list(curve) == [
        "step",
        "rmse_val",
        "rmse_trn",
        "rmse_e_val",
        "rmse_e_trn",
        "rmse_f_val",
        "rmse_f_trn",
        "lr",
    ]
    np.testing.assert_array_equal(curve["step"], [0, 4, 8, 12])
    assert curve["rmse_trn"][-1] < curve["rmse_trn"][0]
    out = json.loads((here / "out.json").read_text())
    assert out["model"]["descriptor"]["seed"] == trainer.config.model.descriptor.seed
    for line in (
        "Calculate neighbor statistics... (add --skip-neighbor-stat to skip this step)",
        "Neighbor statistics: training data with minimal neighbor distance",
        "Summary of DataSystem: Training",
        "training without frame parameter",
        f"deepattn {__version__}, TensorFlow {tf.__version__}, Keras {keras.__version__}, Python ",
        "CPU, ",
        "model: DPA-1 in float64, ",
        "training data: 9 frames in 2 systems; validation data: 5 frames in 1 system",
        "please cite DPA-1: Zhang et al.",
        "computing the statistics of the training data",
        "initialize model from scratch",
        "start training at lr 1.00e-03 (== 1.00e-03), final lr will be",
        "Batch       4: trn: rmse = ",
        "Batch       4: val: rmse = ",
        "Batch       4: total wall time = ",
        "saved checkpoint model.ckpt",
        "average training time: ",
        "finished training",
        "wall time: ",
    ):
        assert line in caplog.text


def test_a_run_at_its_end_removes_what_a_kill_has_left(here, systems):
    """A run that is killed behind its last checkpoint has not removed the oldest one."""
    toy.run(here, systems, numb_steps=6, save_freq=2, max_ckpt_keep=3)
    restart = {"restart": "model.ckpt"}
    toy.run(here, systems, numb_steps=6, save_freq=2, max_ckpt_keep=2, start=restart)
    names = {path.name for path in here.glob("model.ckpt-*")}
    assert names == {"model.ckpt-4.h5", "model.ckpt-6.h5"}
    assert "model.ckpt-2" not in (here / "checkpoint").read_text()


def test_checkpoints_need_no_display_step(here, systems):
    toy.run(here, systems, numb_steps=9, disp_freq=7, save_freq=3, disp_training=False)
    assert {p.name for p in here.glob("model.ckpt-*.h5")} == {
        "model.ckpt-3.h5",
        "model.ckpt-6.h5",
        "model.ckpt-9.h5",
    }
    assert not (here / "lcurve.out").exists()


def test_checkpoints_go_to_a_folder_of_their_own(here, systems):
    toy.run(here, systems, numb_steps=2, save_ckpt="run/model", disp_training=False)
    assert (here / "run" / "model-2.h5").is_file()
    assert (here / "run" / "checkpoint").is_file()


def test_no_steps_builds_and_saves(here, systems):
    toy.run(here, systems, numb_steps=0, start={"output": "sub/out.json"})
    assert read_checkpoint("model.ckpt-0")[1]["step"] == 0
    assert (here / "sub" / "out.json").is_file()


def test_tensorboard_events_are_written(here, systems):
    toy.run(here, systems, valid=systems, numb_steps=4, tensorboard=True, tensorboard_log_dir="tb")
    assert list((here / "tb" / "train").iterdir())
    assert list((here / "tb" / "test").iterdir())


def test_profiles_are_written(here, systems):
    toy.run(here, systems, numb_steps=2, disp_training=False, profiling=True)
    events = json.loads((here / "timeline.json").read_text())["traceEvents"]
    assert any(event["ph"] == "X" and event["dur"] > 0 for event in events)
    toy.run(here, systems, numb_steps=1, disp_training=False, enable_profiler=True)
    assert list((here / "log").rglob("*.xplane.pb"))


def test_errors_of_the_input_name_the_file(here, systems):
    with pytest.raises(ConfigError, match=r"input\.json: .*axis_neurons"):
        toy.run(here, systems, descriptor={"axis_neurons": 3})
    assert not (here / "out.json").exists()


def test_divergence_names_step_and_frames_and_saves_nothing(here, systems):
    linear = {"activation_function": "linear"}
    with pytest.raises(NonFiniteError, match=r"at step \d+, on frames? .*model\.ckpt-1\.h5"):
        toy.run(
            here,
            systems,
            numb_steps=50,
            save_freq=1,
            rate={"start_lr": 1e30, "decay_steps": 5},
            descriptor=linear,
            model={"fitting_net": {"neuron": [5, 5], **linear}},
        )
    arrays, _ = read_checkpoint("model.ckpt")
    assert all(np.isfinite(array).all() for array in arrays.values())
    assert not [path for path in here.iterdir() if path.name.endswith(".tmp")]


def test_full_disk_leaves_the_last_checkpoint(here, systems, monkeypatch):
    fsync = os.fsync

    def full(descriptor):
        if any(here.glob("model.ckpt-2.h5")):
            raise OSError(28, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        toy.run(here, systems, numb_steps=8, save_freq=2)
    assert read_checkpoint("model.ckpt-2.h5")[1]["step"] == 2
    assert not (here / "model.ckpt-4.h5").exists()
    assert not list(here.glob("*.tmp")) + list(here.glob(".*.tmp"))


def test_data_that_vanish_are_named(here, tmp_path):
    class Remove(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            (tmp_path / "data" / "a" / "set.000" / "force.npy").write_bytes(b"broken")

    system = toy.write_system(tmp_path / "data" / "a", [1, 0, 1], 8)
    start = {"callbacks": [Remove()]}
    with pytest.raises((DataError, OSError), match=r"force\.npy"):
        toy.run(here, [system], numb_steps=200, disp_training=False, start=start)
