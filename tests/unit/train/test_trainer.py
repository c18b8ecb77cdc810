"""Whole trainings of a tiny model: data, models, what is trained, reproducibility."""

import json

import keras
import numpy as np
import pytest

from deepattn.errors import ConfigError
from deepattn.formats.checkpoint import read_checkpoint
from deepattn.plots.learning_curve import read_learning_curve
from deepattn.train import train

from . import toy


def test_one_seed_makes_a_run_reproducible(here, systems):
    toy.run(here, systems, numb_steps=6)
    (here / "model.ckpt-6.h5").rename(here / "first.h5")
    toy.run(here, systems, numb_steps=6)
    toy.assert_equal_checkpoints("first.h5", "model.ckpt-6.h5")
    toy.run(here, systems, numb_steps=6, seed=8)
    first, second = (read_checkpoint(p)[0] for p in ("first.h5", "model.ckpt-6.h5"))
    name = "weights/filter_type_all/matrix_1"
    assert not np.array_equal(first[name], second[name])


def test_out_json_repeats_a_run_without_a_seed(here, systems):
    toy.run(here, systems, numb_steps=4, seed=None)
    (here / "model.ckpt-4.h5").rename(here / "first.h5")
    (here / "out.json").rename(here / "again.json")
    train("again.json")
    toy.assert_equal_checkpoints("first.h5", "model.ckpt-4.h5")


def test_batches_of_all_shapes_are_traced_once(here, systems, monkeypatch):
    from deepattn.train import trainer as module

    loops = []

    class Recorded(module.TrainingLoop):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            loops.append(self)

    monkeypatch.setattr(module, "TrainingLoop", Recorded)
    toy.run(here, systems, valid=systems, numb_steps=10)
    (loop,) = loops
    runner = loop.runners[0]
    # The training step is one trace, which refuses what does not fit.
    for function in (runner._test_step, runner._prepare):
        assert function.experimental_get_tracing_count() == 1


def test_mixed_types_open_boundaries_and_padding(here, tmp_path):
    folder = tmp_path / "data"
    systems = [
        toy.write_system(folder / "a", [1, 0, -1, 1], 4, seed=1, mixed=True, periodic=False),
        toy.write_system(folder / "b", [0, 1, 1, 0, 1, -1], 4, seed=2, mixed=True, periodic=False),
    ]
    data = {"systems": systems, "batch_size": "mixed:3"}
    toy.run(here, systems, training_data=data, numb_steps=4)
    assert np.isfinite(read_learning_curve("lcurve.out")["rmse_trn"]).all()


def test_forces_alone_are_enough(here, tmp_path, caplog):
    system = toy.write_system(tmp_path / "data" / "a", [1, 0, 1], 4, without=("energy", "virial"))
    with caplog.at_level("INFO", "deepattn"):
        trainer = toy.run(here, [system], numb_steps=4)
    assert "no frame of the sample has an energy" in caplog.text
    curve = read_learning_curve("lcurve.out")
    assert np.isnan(curve["rmse_e_trn"]).all()
    assert np.isfinite(curve["rmse_f_trn"]).all()
    assert not trainer.model.get_arrays()["fitting_attr/t_bias_atom_e"].any()


def test_frame_and_atomic_parameters(here, tmp_path):
    system = toy.write_system(tmp_path / "data" / "a", [1, 0, 1], 4)
    rng = np.random.default_rng(5)
    data = tmp_path / "data" / "a" / "set.000"
    np.save(data / "fparam.npy", rng.normal(2.0, 3.0, (4, 2)))
    np.save(data / "aparam.npy", rng.normal(size=(4, 3)))
    fitting = {"neuron": [5], "numb_fparam": 2, "numb_aparam": 1}
    trainer = toy.run(here, [system], model={"fitting_net": fitting}, numb_steps=2)
    mean = trainer.model.get_arrays()["fitting_attr/t_fparam_avg"]
    np.testing.assert_allclose(mean, np.load(data / "fparam.npy").mean(axis=0), rtol=1e-12)


def test_assigned_vacuum_energies_are_kept(here, systems):
    fitting = {"neuron": [5], "atom_ener": [-1.25, None]}
    trainer = toy.run(here, systems, model={"fitting_net": fitting}, numb_steps=2)
    bias = trainer.model.get_arrays()["fitting_attr/t_bias_atom_e"]
    assert bias[0] == -1.25
    assert bias[1] != 0


def test_the_baseline_trains(here, systems):
    descriptor = {"type": "se_e2_a", "sel": "auto", "rcut": 2.4, "neuron": [3, 6], "seed": 1}
    trainer = toy.run(here, systems, model={"descriptor": descriptor}, numb_steps=4)
    assert len(trainer.config.model.descriptor.sel) == 2
    curve = read_learning_curve("lcurve.out")
    assert curve["rmse_trn"][-1] < curve["rmse_trn"][0]


def test_a_hybrid_resumes_bit_for_bit(here, systems):
    """Each descriptor with its own numbers of neighbors, statistics and seed."""
    shape = {"rcut_smth": 0.6, "neuron": [3, 6]}
    parts = [
        {"type": "se_e2_a", "sel": "auto", "rcut": 2.4, "axis_neuron": 2, **shape},
        {"type": "se_atten", "sel": "auto", "rcut": 2.0, "attn_layer": 0, **shape},
        {"type": "se_e2_r", "sel": [4, 6], "rcut": 2.2, **shape},
    ]
    options = {"model": {"descriptor": {"type": "hybrid", "list": parts}}, "save_freq": 2}
    trainer = toy.run(here, systems, **options, numb_steps=4)
    found = trainer.config.model.descriptor.list
    assert [type(part.sel) for part in found] == [tuple, int, tuple]
    assert len({part.seed for part in found}) == 3
    arrays = trainer.model.get_arrays()
    spreads = [arrays[f"descrpt_attr_{place}/t_std"] for place in range(3)]
    assert not any((spread == 1).any() for spread in spreads)
    whole = (here / "model.ckpt-4.h5").rename(here / "whole.h5")
    toy.run(here, systems, **options, numb_steps=4, start={"restart": "model.ckpt-2.h5"})
    toy.assert_equal_checkpoints(whole, here / "model.ckpt-4.h5")


def test_automatic_sel(here, systems):
    trainer = toy.run(here, systems, descriptor={"sel": "auto:1.5"}, numb_steps=0)
    out = json.loads((here / "out.json").read_text())
    assert out["model"]["descriptor"]["sel"] == trainer.model.sel > 0
    with pytest.raises(ConfigError, match=r"model/descriptor/sel.*--skip-neighbor-stat"):
        toy.run(here, systems, descriptor={"sel": "auto"}, start={"skip_neighbor_stat": True})


def test_epochs_become_steps(here, systems):
    data = toy.make_input(systems)
    del data["training"]["numb_steps"]
    data["training"]["numb_epoch"] = 2
    (here / "input.json").write_text(json.dumps(data))
    trainer = train("input.json")
    # Two batches in each system, each drawn with probability 1/2: four steps per epoch.
    assert trainer.config.training.numb_steps == 8
    assert (here / "model.ckpt-8.h5").exists()


def test_frozen_blocks_do_not_move(here, systems):
    trainer = toy.run(here, systems, descriptor={"trainable": False}, numb_steps=0)
    before = trainer.model.get_arrays()
    after = toy.run(here, systems, descriptor={"trainable": False}, numb_steps=3).model.get_arrays()
    for name, array in before.items():
        moves = name.startswith(("layer_", "final_layer", "type_embed_net"))
        assert np.array_equal(array, after[name]) != moves, name


def test_gradient_clipping_is_honored(here, systems):
    free = toy.run(here, systems, numb_steps=3).optimizer
    clipped = toy.run(here, systems, numb_steps=3, gradient_max_norm=1e-3).optimizer
    norms = [
        np.sqrt(sum(np.square(m.numpy()).sum() for m in optimizer._momentums))
        for optimizer in (free, clipped)
    ]
    assert norms[0] > 1e-2
    assert norms[1] <= 1e-3


def test_keras_callbacks_plug_in(here, systems):
    class Recorder(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.batches, self.epochs = [], []

        def on_train_batch_end(self, batch, logs=None):
            self.batches.append((batch, logs["rmse"]))

        def on_epoch_end(self, epoch, logs=None):
            self.epochs.append((epoch, sorted(logs)))

    recorder = Recorder()
    stop = keras.callbacks.EarlyStopping(monitor="val_rmse", mode="min", patience=1, min_delta=1e9)
    start = {"callbacks": [recorder, stop]}
    trainer = toy.run(here, systems, valid=systems, numb_steps=100, disp_freq=2, start=start)
    # The second epoch is no better by 1e9, so training ends and is saved at step 4.
    assert [batch for batch, _ in recorder.batches] == [0, 1, 2, 3]
    assert recorder.epochs[0][0] == 0
    assert {"rmse", "val_rmse", "rmse_f", "val_rmse_f"} <= set(recorder.epochs[0][1])
    assert trainer.model.stop_training
    assert read_checkpoint("model.ckpt")[1]["step"] == 4


def test_bias_can_be_fitted_after_training(here, systems):
    plain = toy.run(here, systems, numb_steps=3).model.get_arrays()
    trainer = toy.run(here, systems, numb_steps=3, change_bias_after_training=True)
    arrays, _ = read_checkpoint("model.ckpt-3.h5")
    name = "fitting_attr/t_bias_atom_e"
    assert not np.allclose(arrays[f"weights/{name}"], plain[name], atol=1e-3)
    np.testing.assert_array_equal(trainer.model.get_arrays()[name], arrays[f"weights/{name}"])


def test_bias_is_fitted_by_a_restart_if_the_run_did_not_come_to_that(here, systems):
    whole = toy.run(here, systems, numb_steps=3, change_bias_after_training=True)
    whole = whole.model.get_arrays()
    toy.run(here, systems, numb_steps=3)
    restart = {"restart": "model.ckpt"}
    toy.run(here, systems, numb_steps=3, change_bias_after_training=True, start=restart)
    arrays, header = read_checkpoint("model.ckpt")
    name = "fitting_attr/t_bias_atom_e"
    np.testing.assert_allclose(arrays[f"weights/{name}"], whole[name], rtol=1e-9)
    assert header["step"] == 3


def test_bias_is_fitted_where_a_callback_has_stopped(here, systems):
    stop = keras.callbacks.EarlyStopping(monitor="val_rmse", mode="min", patience=1, min_delta=1e9)
    options = {"numb_steps": 100, "disp_freq": 2, "change_bias_after_training": True}
    toy.run(here, systems, valid=systems, start={"callbacks": [stop]}, **options)
    assert [path.name for path in here.glob("model.ckpt-*")] == ["model.ckpt-4.h5"]


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_a_policy_of_half_precision_is_refused(here, systems, policy):
    """The nets would not follow it: their precision is the input's."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        with pytest.raises(ConfigError, match=rf"global dtype policy is {policy}, but the nets"):
            toy.run(here, systems, numb_steps=4)
    finally:
        keras.config.set_dtype_policy(before)
    assert not list(here.glob("model.ckpt*"))
