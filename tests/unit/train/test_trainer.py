"""Whole trainings of a tiny model: files, start modes, reproducibility, failures."""

import json
import os
import signal

import keras
import numpy as np
import pytest

from deepattn.errors import ConfigError, DataError, ModelFileError
from deepattn.export import freeze
from deepattn.formats.checkpoint import read_checkpoint
from deepattn.plots.learning_curve import read_learning_curve
from deepattn.train import NonFiniteError, train

from . import toy


class KillAt(keras.callbacks.Callback):
    """Send the process a signal when a step is done."""

    def __init__(self, step, number):
        super().__init__()
        self.step, self.number = step, number

    def on_train_batch_end(self, batch, logs=None):
        if batch + 1 == self.step:
            os.kill(os.getpid(), self.number)


@pytest.fixture(scope="module")
def systems(tmp_path_factory):
    """Two training systems of different sizes."""
    folder = tmp_path_factory.mktemp("data")
    return [
        toy.write_system(folder / "a", [1, 0, 1, 0, 1, 1], 5, seed=1),
        toy.write_system(folder / "b", [0, 0, 1, 1, 0, 1, 1, 0], 4, seed=2),
    ]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _run(here, *args, start=None, **kwargs):
    toy.write_input(here / "input.json", *args, **kwargs)
    return train("input.json", **(start or {}))


def _same(first, second):
    arrays, header = read_checkpoint(first)
    others, other_header = read_checkpoint(second)
    assert set(arrays) == set(others)
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, others[name], err_msg=name)
    for key in ("step", "sampler", "validation_sampler"):
        assert header[key] == other_header[key]


def test_files_of_a_run(here, systems, caplog):
    with caplog.at_level("INFO", "deepattn"):
        trainer = _run(
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
        "data stating... (this step may take long time)",
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


def test_checkpoints_need_no_display_step(here, systems):
    _run(here, systems, numb_steps=9, disp_freq=7, save_freq=3, disp_training=False)
    assert {p.name for p in here.glob("model.ckpt-*.h5")} == {
        "model.ckpt-3.h5",
        "model.ckpt-6.h5",
        "model.ckpt-9.h5",
    }
    assert not (here / "lcurve.out").exists()


def test_checkpoints_go_to_a_folder_of_their_own(here, systems):
    _run(here, systems, numb_steps=2, save_ckpt="run/model", disp_training=False)
    assert (here / "run" / "model-2.h5").is_file()
    assert (here / "run" / "checkpoint").is_file()


def test_no_steps_builds_and_saves(here, systems):
    _run(here, systems, numb_steps=0)
    assert read_checkpoint("model.ckpt-0")[1]["step"] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_and_restarted_run_is_the_same_run(here, systems, number):
    options = {"valid": systems, "numb_steps": 12, "disp_freq": 2, "save_freq": 100}
    _run(here, systems, **options)
    (here / "model.ckpt-12.h5").rename(here / "whole.h5")
    (here / "lcurve.out").rename(here / "whole.out")
    callbacks = [KillAt(7, number)]
    left = KeyboardInterrupt if number == signal.SIGINT else SystemExit
    with pytest.raises(left):
        _run(here, systems, start={"callbacks": callbacks}, **options)
    assert read_checkpoint("model.ckpt")[1]["step"] == 7
    _run(here, systems, start={"restart": "model.ckpt"}, **options)
    _same("whole.h5", "model.ckpt-12.h5")
    text = (here / "lcurve.out").read_text()
    assert text.count("# step") == 2
    # The steps after the restart, validation columns included, are those of the whole run.
    assert text.splitlines()[-3:] == (here / "whole.out").read_text().splitlines()[-3:]


def test_one_seed_makes_a_run_reproducible(here, systems):
    _run(here, systems, numb_steps=6)
    (here / "model.ckpt-6.h5").rename(here / "first.h5")
    _run(here, systems, numb_steps=6)
    _same("first.h5", "model.ckpt-6.h5")
    _run(here, systems, numb_steps=6, seed=8)
    first, second = (read_checkpoint(p)[0] for p in ("first.h5", "model.ckpt-6.h5"))
    name = "weights/filter_type_all/matrix_1"
    assert not np.array_equal(first[name], second[name])


def test_out_json_repeats_a_run_without_a_seed(here, systems):
    _run(here, systems, numb_steps=4, seed=None)
    (here / "model.ckpt-4.h5").rename(here / "first.h5")
    (here / "out.json").rename(here / "again.json")
    train("again.json")
    _same("first.h5", "model.ckpt-4.h5")


def test_restart_of_a_finished_run_does_nothing(here, systems):
    _run(here, systems, numb_steps=3)
    before = (here / "model.ckpt-3.h5").stat().st_mtime_ns
    curve = (here / "lcurve.out").read_text()
    _run(here, systems, numb_steps=3, start={"restart": "model.ckpt"})
    assert (here / "model.ckpt-3.h5").stat().st_mtime_ns == before
    assert (here / "lcurve.out").read_text() == curve


def test_init_model_keeps_the_moments_and_begins_at_step_0(here, systems):
    _run(here, systems, numb_steps=5)
    arrays, _ = read_checkpoint("model.ckpt-5.h5")
    trainer = _run(here, systems, numb_steps=0, start={"init_model": "model.ckpt-5"})
    fresh, header = read_checkpoint("model.ckpt-0.h5")
    assert header["step"] == 0
    assert fresh.pop("optimizer/iteration") == 0
    for name, array in fresh.items():
        np.testing.assert_array_equal(array, arrays[name], err_msg=name)
    assert float(trainer.optimizer.learning_rate) == pytest.approx(1e-3)


def test_init_frz_model_takes_the_weights(here, systems):
    trainer = _run(here, systems, numb_steps=3)
    freeze(trainer.model, "model.pb", training_script=trainer.config.to_dict(), min_nbor_dist=1.0)
    again = _run(here, systems, numb_steps=0, start={"init_frz_model": "model.pb"})
    arrays = again.model.get_arrays()
    for name, array in trainer.model.get_arrays().items():
        np.testing.assert_array_equal(arrays[name], array, err_msg=name)
    state = again.optimizer.get_arrays(again.model.named_variables())
    assert state["iteration"] == 0
    assert not state["layer_0/matrix/momentum"].any()


def test_pretrain_script_replaces_the_model_section(here, systems):
    trainer = _run(here, systems, numb_steps=1)
    freeze(trainer.model, "model.pb", training_script=trainer.config.to_dict(), min_nbor_dist=1.0)
    for start in ({"init_model": "model.ckpt"}, {"init_frz_model": "model.pb"}):
        again = _run(
            here,
            systems,
            numb_steps=0,
            descriptor={"neuron": [7], "axis_neuron": 3},
            start={**start, "use_pretrain_script": True},
        )
        assert again.config.model.descriptor.neuron == (3, 6)


def test_pretrain_script_needs_a_file(here, systems):
    with pytest.raises(ConfigError, match="--use-pretrain-script"):
        _run(here, systems, start={"use_pretrain_script": True})


@pytest.mark.parametrize("start", ["init_model", "init_frz_model"])
def test_another_architecture_is_refused_by_name_and_shape(here, systems, start):
    trainer = _run(here, systems, numb_steps=1)
    freeze(trainer.model, "model.pb", training_script=trainer.config.to_dict(), min_nbor_dist=1.0)
    path = {"init_model": "model.ckpt", "init_frz_model": "model.pb"}[start]
    larger = {"fitting_net": {"neuron": [9, 9]}}
    with pytest.raises(ModelFileError, match=r"layer_0/(bias|matrix).*5.*9"):
        _run(here, systems, model=larger, start={start: path})


def test_another_order_of_types_is_refused(here, systems):
    _run(here, systems, numb_steps=1)
    with pytest.raises(ModelFileError, match=r"O H.*H O"):
        _run(here, systems, model={"type_map": ["H", "O"]}, start={"init_model": "model.ckpt"})


def test_type_embedding_bias_follows_the_weights(here, systems):
    biased = {"type_embedding": {"neuron": [2], "use_tebd_bias": True}}
    _run(here, systems, numb_steps=2, model=biased)
    # The input forgets the bias; the checkpoint does not.
    trainer = _run(here, systems, numb_steps=3, start={"restart": "model.ckpt"})
    assert trainer.config.model.type_embedding.use_tebd_bias
    assert "type_embed_net/bias_1" in trainer.model.named_variables()


def test_divergence_names_step_and_frames_and_saves_nothing(here, systems):
    linear = {"activation_function": "linear"}
    with pytest.raises(NonFiniteError, match=r"at step \d+, on frames? .*model\.ckpt-1\.h5"):
        _run(
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
    from deepattn.formats import checkpoint, files

    fsync = os.fsync

    def full(descriptor):
        if any(here.glob("model.ckpt-2.h5")):
            raise OSError(28, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        _run(here, systems, numb_steps=8, save_freq=2)
    assert checkpoint.read_checkpoint("model.ckpt-2.h5")[1]["step"] == 2
    assert not (here / "model.ckpt-4.h5").exists()
    assert not list(here.glob("*.tmp")) + list(here.glob(".*.tmp"))


def test_batches_of_all_shapes_are_traced_once(here, systems, monkeypatch):
    from deepattn.train import trainer as module

    loops = []

    class Recorded(module.TrainingLoop):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            loops.append(self)

    monkeypatch.setattr(module, "TrainingLoop", Recorded)
    _run(here, systems, valid=systems, numb_steps=10)
    (loop,) = loops
    assert loop._train_step.experimental_get_tracing_count() == 1
    assert loop._test_step.experimental_get_tracing_count() == 1


def test_mixed_types_open_boundaries_and_padding(here, tmp_path):
    folder = tmp_path / "data"
    systems = [
        toy.write_system(folder / "a", [1, 0, -1, 1], 4, seed=1, mixed=True, periodic=False),
        toy.write_system(folder / "b", [0, 1, 1, 0, 1, -1], 4, seed=2, mixed=True, periodic=False),
    ]
    data = {"systems": systems, "batch_size": "mixed:3"}
    _run(here, systems, training_data=data, numb_steps=4)
    assert np.isfinite(read_learning_curve("lcurve.out")["rmse_trn"]).all()


def test_forces_alone_are_enough(here, tmp_path, caplog):
    system = toy.write_system(tmp_path / "data" / "a", [1, 0, 1], 4, without=("energy", "virial"))
    with caplog.at_level("INFO", "deepattn"):
        trainer = _run(here, [system], numb_steps=4)
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
    trainer = _run(here, [system], model={"fitting_net": fitting}, numb_steps=2)
    mean = trainer.model.get_arrays()["fitting_attr/t_fparam_avg"]
    np.testing.assert_allclose(mean, np.load(data / "fparam.npy").mean(axis=0), rtol=1e-12)


def test_assigned_vacuum_energies_are_kept(here, systems):
    fitting = {"neuron": [5], "atom_ener": [-1.25, None]}
    trainer = _run(here, systems, model={"fitting_net": fitting}, numb_steps=2)
    bias = trainer.model.get_arrays()["fitting_attr/t_bias_atom_e"]
    assert bias[0] == -1.25
    assert bias[1] != 0


def test_the_baseline_trains(here, systems):
    descriptor = {"type": "se_e2_a", "sel": "auto", "rcut": 2.4, "neuron": [3, 6], "seed": 1}
    trainer = _run(here, systems, model={"descriptor": descriptor}, numb_steps=4)
    assert len(trainer.config.model.descriptor.sel) == 2
    curve = read_learning_curve("lcurve.out")
    assert curve["rmse_trn"][-1] < curve["rmse_trn"][0]


def test_automatic_sel(here, systems):
    trainer = _run(here, systems, descriptor={"sel": "auto:1.5"}, numb_steps=0)
    out = json.loads((here / "out.json").read_text())
    assert out["model"]["descriptor"]["sel"] == trainer.model.sel > 0
    with pytest.raises(ConfigError, match=r"model/descriptor/sel.*--skip-neighbor-stat"):
        _run(here, systems, descriptor={"sel": "auto"}, start={"skip_neighbor_stat": True})


def test_epochs_become_steps(here, systems):
    data = toy.make_input(systems)
    del data["training"]["numb_steps"]
    data["training"]["numb_epoch"] = 2
    (here / "input.json").write_text(json.dumps(data))
    trainer = train("input.json")
    # Two batches in each system, each drawn with probability 1/2: four steps an epoch.
    assert trainer.config.training.numb_steps == 8
    assert (here / "model.ckpt-8.h5").exists()


def test_frozen_blocks_do_not_move(here, systems):
    trainer = _run(here, systems, descriptor={"trainable": False}, numb_steps=0)
    before = trainer.model.get_arrays()
    after = _run(here, systems, descriptor={"trainable": False}, numb_steps=3).model.get_arrays()
    for name, array in before.items():
        moves = name.startswith(("layer_", "final_layer", "type_embed_net"))
        assert np.array_equal(array, after[name]) != moves, name


def test_gradient_clipping_is_honoured(here, systems):
    free = _run(here, systems, numb_steps=3).optimizer
    clipped = _run(here, systems, numb_steps=3, gradient_max_norm=1e-3).optimizer
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
    trainer = _run(here, systems, valid=systems, numb_steps=100, disp_freq=2, start=start)
    # The second epoch is no better by 1e9, so training ends and is saved at step 4.
    assert [batch for batch, _ in recorder.batches] == [0, 1, 2, 3]
    assert recorder.epochs[0][0] == 0
    assert {"rmse", "val_rmse", "rmse_f", "val_rmse_f"} <= set(recorder.epochs[0][1])
    assert trainer.model.stop_training
    assert read_checkpoint("model.ckpt")[1]["step"] == 4


def test_tensorboard_events_are_written(here, systems):
    _run(here, systems, valid=systems, numb_steps=4, tensorboard=True, tensorboard_log_dir="tb")
    assert list((here / "tb" / "train").iterdir())
    assert list((here / "tb" / "test").iterdir())


def test_bias_can_be_fitted_after_training(here, systems):
    plain = _run(here, systems, numb_steps=3).model.get_arrays()
    trainer = _run(here, systems, numb_steps=3, change_bias_after_training=True)
    arrays, _ = read_checkpoint("model.ckpt-3.h5")
    name = "fitting_attr/t_bias_atom_e"
    assert not np.allclose(arrays[f"weights/{name}"], plain[name], atol=1e-3)
    np.testing.assert_array_equal(trainer.model.get_arrays()[name], arrays[f"weights/{name}"])


def test_finetuning_goes_by_element(here, systems, caplog):
    trainer = _run(here, systems, numb_steps=3)
    freeze(trainer.model, "model.pb", training_script=trainer.config.to_dict(), min_nbor_dist=1.0)
    data = toy.make_input(systems, numb_steps=0)
    data["model"] = {"descriptor": {}, "fitting_net": {"trainable": False}}
    (here / "input.json").write_text(json.dumps(data))
    with caplog.at_level("INFO", "deepattn"):
        tuned = train("input.json", finetune="model.pb")
    assert tuned.config.model.descriptor.neuron == (3, 6)
    assert tuned.config.model.fitting_net.trainable is False
    assert "Change energy bias of ['O', 'H'] from" in caplog.text
    assert "model type" in caplog.text
    before, after = trainer.model.get_arrays(), tuned.model.get_arrays()
    for name, array in before.items():
        same = np.array_equal(array, after[name])
        assert same == (name != "fitting_attr/t_bias_atom_e"), name
    # After the shift the mean error of the energies is gone.
    figures = tuned.data.systems[0].frames(range(5))
    predicted = np.asarray(tuned.model(figures[0])["energy"])
    assert abs((predicted - figures[1]["energy"]).mean()) < 0.2


def test_finetuning_refuses_what_it_cannot_map(here, systems, tmp_path):
    trainer = _run(here, systems, numb_steps=1)
    freeze(trainer.model, "model.pb", training_script=trainer.config.to_dict(), min_nbor_dist=1.0)
    start = {"finetune": "model.pb"}
    with pytest.raises(ConfigError, match="Xe"):
        _run(here, systems, model={"type_map": ["O", "Xe"]}, start=start)
    with pytest.raises(DataError, match="H"):
        _run(here, systems, model={"type_map": ["O"]}, start=start)
    unnamed = toy.write_system(tmp_path / "data" / "c", [0, 1, 1], 2)
    (tmp_path / "data" / "c" / "type_map.raw").unlink()
    with pytest.raises(DataError, match=r"type_map\.raw"):
        _run(here, [unnamed], start=start)


def test_two_ways_to_start_are_refused(here, systems):
    with pytest.raises(ValueError, match="one way to start"):
        _run(here, systems, start={"restart": "a", "init_model": "b"})


def test_errors_of_the_input_name_the_file(here, systems):
    with pytest.raises(ConfigError, match=r"input\.json: .*axis_neurons"):
        _run(here, systems, descriptor={"axis_neurons": 3})
    assert not (here / "out.json").exists()


def test_profiles_are_written(here, systems):
    _run(here, systems, numb_steps=2, disp_training=False, profiling=True)
    events = json.loads((here / "timeline.json").read_text())["traceEvents"]
    assert any(event["ph"] == "X" and event["dur"] > 0 for event in events)
    _run(here, systems, numb_steps=1, disp_training=False, enable_profiler=True)
    assert list((here / "log").rglob("*.xplane.pb"))


def test_data_that_vanish_are_named(here, tmp_path):
    class Remove(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            (tmp_path / "data" / "a" / "set.000" / "force.npy").write_bytes(b"broken")

    system = toy.write_system(tmp_path / "data" / "a", [1, 0, 1], 8)
    start = {"callbacks": [Remove()]}
    with pytest.raises((DataError, OSError), match=r"force\.npy"):
        _run(here, [system], numb_steps=200, disp_training=False, start=start)
