"""Ways to start a training: restart, weights of a checkpoint or graph, finetuning."""

import json
import os
import signal

import keras
import numpy as np
import pytest
from small_models import dpa2, model_section

from deepattn.config import Config, ModelConfig, normalize, normalize_model
from deepattn.errors import ConfigError, DataError, ModelFileError
from deepattn.export import convert, freeze
from deepattn.formats.checkpoint import read_checkpoint
from deepattn.train import train
from deepattn.train.weight_source import WeightSource

from . import toy


class KillAt(keras.callbacks.Callback):
    """Send the process a signal when a step is done."""

    def __init__(self, step, number):
        super().__init__()
        self.step, self.number = step, number

    def on_train_batch_end(self, batch, logs=None):
        if batch + 1 == self.step:
            os.kill(os.getpid(), self.number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stopped_and_restarted_run_is_the_same_run(request, here, systems, number, caplog):
    options = {"valid": systems, "numb_steps": 12, "disp_freq": 2, "save_freq": 100}
    toy.run(here, systems, **options)
    (here / "model.ckpt-12.h5").rename(here / "whole.h5")
    (here / "lcurve.out").rename(here / "whole.out")
    caplog.set_level("INFO", "deepattn")
    # At a display step, for one of them.
    stop = 8 if number == signal.SIGHUP else 7
    callbacks = [KillAt(stop, number)]
    if number == signal.SIGHUP:  # which whoever runs the tests may ignore, as nohup does
        before = signal.signal(number, signal.SIG_DFL)
        request.addfinalizer(lambda: signal.signal(number, before))
    left = KeyboardInterrupt if number == signal.SIGINT else SystemExit
    with pytest.raises(left):
        toy.run(here, systems, start={"callbacks": callbacks}, **options)
    assert read_checkpoint("model.ckpt")[1]["step"] == stop
    assert "resume with: deepattn train input.json --restart model.ckpt" in caplog.text
    toy.run(here, systems, start={"restart": "model.ckpt"}, **options)
    toy.assert_equal_checkpoints("whole.h5", "model.ckpt-12.h5")
    assert (here / "lcurve.out").read_text() == (here / "whole.out").read_text()
    assert "next: deepattn freeze -c model.ckpt" in caplog.text


def test_restart_of_a_finished_run_does_nothing(here, systems):
    toy.run(here, systems, numb_steps=3)
    before = (here / "model.ckpt-3.h5").stat().st_mtime_ns
    curve = (here / "lcurve.out").read_text()
    toy.run(here, systems, numb_steps=3, start={"restart": "model.ckpt"})
    assert (here / "model.ckpt-3.h5").stat().st_mtime_ns == before
    assert (here / "lcurve.out").read_text() == curve


def test_type_embedding_bias_follows_the_weights(here, systems):
    biased = {"type_embedding": {"neuron": [2], "use_tebd_bias": True}}
    toy.run(here, systems, numb_steps=2, model=biased)
    # The input forgets the bias; the checkpoint does not.
    trainer = toy.run(here, systems, numb_steps=3, start={"restart": "model.ckpt"})
    assert trainer.config.model.type_embedding.use_tebd_bias
    assert "type_embed_net/bias_1" in trainer.model.named_variables()


def test_init_model_keeps_the_moments_and_begins_at_step_0(here, systems):
    toy.run(here, systems, numb_steps=5)
    arrays, _ = read_checkpoint("model.ckpt-5.h5")
    trainer = toy.run(here, systems, numb_steps=0, start={"init_model": "model.ckpt-5"})
    fresh, header = read_checkpoint("model.ckpt-0.h5")
    assert header["step"] == 0
    assert fresh.pop("optimizer/iteration") == 0
    for name, array in fresh.items():
        np.testing.assert_array_equal(array, arrays[name], err_msg=name)
    assert float(trainer.optimizer.learning_rate) == pytest.approx(1e-3)


def test_init_frz_model_takes_the_weights(here, systems):
    trainer = toy.run(here, systems, numb_steps=3)
    freeze(trainer.model, "model.pb", training_script=trainer.config.to_dict(), min_nbor_dist=1.0)
    again = toy.run(here, systems, numb_steps=0, start={"init_frz_model": "model.pb"})
    arrays = again.model.get_arrays()
    for name, array in trainer.model.get_arrays().items():
        np.testing.assert_array_equal(arrays[name], array, err_msg=name)
    state = again.optimizer.get_arrays(again.model.named_variables())
    assert state["iteration"] == 0
    assert not state["layer_0/matrix/momentum"].any()


@pytest.fixture(scope="module")
def one_step(systems, tmp_path_factory):
    """A training of one step: by ways to start, the file to start from."""
    folder = tmp_path_factory.mktemp("one_step")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        trainer = toy.run(folder, systems, numb_steps=1)
        script = trainer.config.to_dict()
        freeze(trainer.model, "model.pb", training_script=script, min_nbor_dist=1.0)
    checkpoint = str(folder / "model.ckpt")
    frozen = str(folder / "model.pb")
    return {"restart": checkpoint, "init_model": checkpoint, "init_frz_model": frozen}


@pytest.mark.parametrize("start", ["init_model", "init_frz_model"])
def test_another_architecture_is_refused_by_name(here, systems, one_step, start):
    larger = {"fitting_net": {"neuron": [9, 9]}}
    with pytest.raises(ModelFileError, match=r"fitting_net/neuron is \[5, 5\], not \[9, 9\]"):
        toy.run(here, systems, model=larger, start={start: one_step[start]})


@pytest.mark.parametrize("start", ["restart", "init_model", "init_frz_model"])
def test_another_model_of_the_same_shapes_is_refused(here, systems, one_step, start):
    given = {start: one_step[start]}
    other = {"rcut": 2.3, "activation_function": "gelu", "seed": 4}
    named = r"model/descriptor/rcut is 2\.4, not 2\.3; model/descriptor/activation_function is"
    with pytest.raises(ModelFileError, match=named) as caught:
        toy.run(here, systems, numb_steps=2, descriptor=other, start=given)
    assert "seed" not in str(caught.value)


def test_a_restart_says_what_has_changed(here, systems, caplog):
    options = {"valid": systems, "descriptor": {"sel": "auto", "seed": 1}, "seed": None}
    toy.run(here, systems, numb_steps=2, **options)
    seed = read_checkpoint("model.ckpt")[1]["config"]["training"]["seed"]
    options["descriptor"] = {**options["descriptor"], "seed": 3}
    caplog.clear()
    with caplog.at_level("INFO", "deepattn"):
        trainer = toy.run(
            here,
            systems[:1],
            numb_steps=4,
            rate={"start_lr": 1e-4},
            start={"restart": "model.ckpt"},
            **options,
        )
    assert trainer.config.training.seed == seed
    changed = "changed since the checkpoint: "
    assert f"{changed}training/numb_steps: 2 -> 4" in caplog.text
    assert f"{changed}learning_rate/start_lr: 0.001 -> 0.0001" in caplog.text
    assert f"{changed}training/training_data/systems: -{systems[1]}" in caplog.text
    assert "model/descriptor/seed: 1 -> 3" in caplog.text
    assert "training data: the numbers of frames differ" in caplog.text
    assert "validation data: the order of frames continues from the checkpoint" in caplog.text
    assert read_checkpoint("model.ckpt")[1]["step"] == 4
    caplog.clear()
    with caplog.at_level("INFO", "deepattn"):
        train("out.json", restart="model.ckpt")
    assert "changed since" not in caplog.text


def test_another_order_of_types_is_refused(here, systems):
    toy.run(here, systems, numb_steps=1)
    with pytest.raises(ModelFileError, match=r"O H.*H O"):
        toy.run(here, systems, model={"type_map": ["H", "O"]}, start={"init_model": "model.ckpt"})


def test_pretrain_script_replaces_the_model_section(here, systems):
    trainer = toy.run(here, systems, numb_steps=1)
    freeze(trainer.model, "model.pb", training_script=trainer.config.to_dict(), min_nbor_dist=1.0)
    for start in ({"init_model": "model.ckpt"}, {"init_frz_model": "model.pb"}):
        again = toy.run(
            here,
            systems,
            numb_steps=0,
            descriptor={"neuron": [7], "axis_neuron": 3},
            start={**start, "use_pretrain_script": True},
        )
        assert again.config.model.descriptor.neuron == (3, 6)


def test_pretrain_script_needs_a_file(here, systems):
    with pytest.raises(ConfigError, match="--use-pretrain-script"):
        toy.run(here, systems, start={"use_pretrain_script": True})


def test_finetuning_goes_by_element(here, systems, caplog):
    trainer = toy.run(here, systems, numb_steps=3)
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
    inputs, labels = tuned.data.systems[0].frames(range(5))
    predicted = np.asarray(tuned.model(inputs)["energy"])
    assert abs((predicted - labels["energy"]).mean()) < 0.2


def test_finetuning_refuses_what_it_cannot_map(here, systems, tmp_path):
    trainer = toy.run(here, systems, numb_steps=1)
    freeze(trainer.model, "model.pb", training_script=trainer.config.to_dict(), min_nbor_dist=1.0)
    start = {"finetune": "model.pb"}
    with pytest.raises(DataError, match="H"):
        toy.run(here, systems, model={"type_map": ["O"]}, start=start)
    unnamed = toy.write_system(tmp_path / "data" / "c", [0, 1, 1], 2)
    (tmp_path / "data" / "c" / "type_map.raw").unlink()
    with pytest.raises(DataError, match=r"type_map\.raw"):
        toy.run(here, [unnamed], start=start)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            model_section({"smooth_type_embedding": True}),
            "has the convention common, but the input has te",
        ),
        (model_section(dpa2()), "has the descriptor se_atten, but the input has dpa2"),
    ],
)
def test_models_of_other_mathematics_are_refused(here, systems, model, message):
    """Weights of the one would give other energies in the other."""
    first = model_section({"smooth_type_embedding": True}, convention="common")
    stored = ModelConfig.from_dict(normalize_model(first))
    start = WeightSource(mode="init_model", path="here", model=stored, weights={})
    content = toy.make_input(systems)
    config = Config.from_dict(normalize({**content, "model": model}))
    with pytest.raises(ModelFileError, match=message):
        start.adapt(config)


def test_two_ways_to_start_are_refused(here, systems):
    with pytest.raises(ValueError, match="at most one of the options"):
        toy.run(here, systems, start={"restart": "a", "init_model": "b"})


def test_files_of_no_backend_start_a_training(here, systems):
    trainer = toy.run(here, systems, numb_steps=1)
    convert("model.ckpt", "model.dp")
    again = toy.run(here, systems, numb_steps=0, start={"init_frz_model": "model.dp"})
    arrays = again.model.get_arrays()
    for name, array in trainer.model.get_arrays().items():
        np.testing.assert_array_equal(arrays[name], array, err_msg=name)
    # Of this model both conventions are the same.
    convention = {"convention": "common"}
    toy.run(here, systems, numb_steps=0, model=convention, start={"init_frz_model": "model.dp"})
    with pytest.raises(ModelFileError, match=r"model\.ckpt: is a checkpoint, not a frozen model"):
        toy.run(here, systems, start={"init_frz_model": "model.ckpt"})


@pytest.mark.parametrize("mode", ["finetune", "init_frz_model"])
@pytest.mark.parametrize("kind, kept", [("se_e2_a", True), ("se_atten", False)])
def test_the_convention_is_the_inputs_where_the_file_does_not_depend_on_it(mode, kind, kept):
    """Trainings have an arithmetic of their own in each; files need not name it."""
    section = normalize_model(model_section({"type": kind}))
    start = WeightSource(mode=mode, model=ModelConfig.from_dict(section))
    raw = {"model": {"type_map": ["O", "H"], "convention": "common"}}
    _, found = start.take_model_section(raw)
    assert found["model"].get("convention") == ("common" if kept else None)
