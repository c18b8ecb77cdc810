"""Elastic weight consolidation: the importance of weights, and the pull that follows from it."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepattn.config import normalize, read_config, upgrade
from deepattn.errors import ConfigError, DataError
from deepattn.formats.checkpoint import read_checkpoint
from deepattn.train import train
from deepattn.train.anchor import Anchor
from deepattn.train.build import build_task_models
from deepattn.train.distributed.strategy import Distribution
from deepattn.train.fisher import Fisher, _Squares, estimate_fisher
from deepattn.train.task import make_task_loss, open_training_data

from . import toy

ENERGY = {"start_pref_e": 3.0, "limit_pref_e": 1.0, "start_pref_f": 0, "limit_pref_f": 0}


def parts(systems, loss):
    """A model, its loss and data of single frames."""
    toy.write_finetuning(systems, loss=loss)
    data = json.loads(Path("input.json").read_text())
    data["training"]["training_data"]["batch_size"] = 1
    Path("input.json").write_text(json.dumps(data))
    config = read_config("input.json")
    model = build_task_models(config, Distribution())[""]
    squared = make_task_loss(config)
    return model, squared, open_training_data(config, squared)


def trained(model):
    return {name: v for name, v in model.named_variables().items() if v.trainable}


def test_the_importance_for_energies_is_exact(here, systems):
    model, loss, data = parts(systems, ENERGY)
    variables = trained(model)
    fisher = estimate_fisher(model, loss, data, variables, frames=100, seed=1)
    expected = {name: np.zeros(variable.shape) for name, variable in variables.items()}
    frames = [(i, row) for i, system in enumerate(data.systems) for row in range(system.nframes)]
    for index, row in frames:
        inputs, _ = data.batch([(index, np.array([row]))])
        with tf.GradientTape() as tape:
            energy = model(inputs)["energy"]
        # The loss of a frame is the squared error over the number of atoms.
        cost = 2.0 / inputs["atype"].shape[1]
        for name, slope in zip(
            variables, tape.gradient(energy, list(variables.values())), strict=True
        ):
            if slope is not None:
                expected[name] += cost * np.square(tf.convert_to_tensor(slope)) / len(frames)
    for name, array in expected.items():
        scale = array.max()
        np.testing.assert_allclose(fisher.limit[name], array, rtol=1e-6, atol=1e-9 * scale)
        np.testing.assert_allclose(fisher.start[name], 3 * array, rtol=1e-6, atol=1e-9 * scale)
    assert fisher.limit["layer_0/matrix"].max() > 0


def test_the_importance_for_forces_is_the_mean_over_signs(here, systems):
    """The sum over the weights of F, whose exact value needs the derivatives of every force."""
    loss = {"start_pref_e": 0, "limit_pref_e": 0, "start_pref_f": 2.0, "limit_pref_f": 2.0}
    model, squared, data = parts(systems[:1], loss)
    weight = model.named_variables()["layer_0/matrix"]
    batch = data.batch([(0, np.array([0]))])
    with tf.GradientTape(persistent=True) as tape:
        force = tf.reshape(model(batch.inputs)["force"], [-1])
    slopes = tape.jacobian(force, weight.value, experimental_use_pfor=False)
    exact = np.sum(2 * 2.0 / len(force) * np.square(slopes), axis=0)
    squares = tf.function(_Squares(model, squared, [weight]), autograph=False)
    draws = [squares(batch, np.array([7, k], np.int32))[0][1][0].numpy() for k in range(300)]
    np.testing.assert_allclose(np.sum(np.mean(draws, axis=0)), exact.sum(), rtol=0.2)
    correlation = np.corrcoef(np.mean(draws, axis=0).ravel(), exact.ravel())[0, 1]
    assert correlation > 0.95


def test_frames_are_drawn_once_each_and_reproducibly(here, systems):
    model, loss, data = parts(systems, ENERGY)
    variables = {"layer_0/matrix": model.named_variables()["layer_0/matrix"]}
    some, same, whole = (
        estimate_fisher(model, loss, data, variables, frames=count, seed=3).limit["layer_0/matrix"]
        for count in (2, 2, 9)
    )
    np.testing.assert_array_equal(some, same)
    assert not np.array_equal(some, whole)


@pytest.mark.parametrize(
    "loss", [{"loss_func": "mae"}, {"start_pref_gf": 1.0, "limit_pref_gf": 1.0}], ids=["mae", "gf"]
)
def test_other_losses_than_squares_have_no_importance(here, tmp_path_factory, loss):
    system = toy.write_system(tmp_path_factory.mktemp("gf") / "a", [1, 0, 1, 0], 2)
    if "start_pref_gf" in loss:
        loss |= {"numb_generalized_coord": 2}
        drdq = np.random.default_rng(0).normal(size=(2, 4 * 3 * 2))
        np.save(Path(system, "set.000", "drdq.npy"), drdq)
    model, other, data = parts([system], loss)
    with pytest.raises(ConfigError, match="ewc needs a loss of squared errors, each of one"):
        estimate_fisher(model, other, data, trained(model), frames=1, seed=1)


def test_the_pull_is_the_gradient_of_the_penalty():
    pulled = keras.Variable(np.array([1.0, -2.0]), dtype="float64")
    fisher = Fisher({"w": np.array([4.0, 0.0])}, {"w": np.array([2.0, 6.0])})
    anchor = Anchor({"w": pulled}, 0.5, arrays={}, ewc=10.0, fisher=fisher, start_lr=0.02)
    pulled.assign([2.0, -1.0])
    for rate, strength in (
        (0.02, [0.5 + 40.0, 0.5]),
        (0.0, [0.5 + 20.0, 0.5 + 60.0]),
        (0.01, [0.5 + 30.0, 0.5 + 30.0]),
    ):
        [found] = anchor([None], [pulled], tf.constant(rate, tf.float64))
        np.testing.assert_allclose(found, strength, rtol=1e-12)


def test_a_resumed_run_needs_no_old_frames(short_run, systems, here, monkeypatch):
    old = here / "old"
    shutil.copytree(systems[1], old)
    for name in ("energy", "force", "virial"):
        (old / "set.000" / f"{name}.npy").unlink()
    finetune = {"ewc": {"strength": 5.0, "systems": str(old), "frames": 3}}
    for folder, numbers in (("whole", (9,)), ("parts", (5, 9))):
        Path(here, folder).mkdir()
        monkeypatch.chdir(here / folder)
        for number in numbers:
            toy.write_finetuning(systems[:1], finetune, numb_steps=number)
            first = number == numbers[0]
            start = {"init_model": short_run} if first else {"restart": "model.ckpt"}
            train("input.json", **start)
            if folder == "parts" and first:
                shutil.rmtree(old)
    toy.assert_equal_checkpoints(here / "whole/model.ckpt", here / "parts/model.ckpt")
    arrays, _ = read_checkpoint(here / "parts/model.ckpt")
    name = "layer_0/matrix"
    start, _ = read_checkpoint(short_run)
    np.testing.assert_array_equal(arrays[f"start/{name}"], start[f"weights/{name}"])
    assert arrays["fisher/limit/layer_0/matrix"].max() > 0
    assert arrays["fisher/start/layer_0/matrix"].shape == arrays[f"start/{name}"].shape


def test_where_it_makes_no_sense(short_run, here, systems):
    ewc = {"strength": 1.0, "systems": ["missing"]}
    toy.write_finetuning(systems, {"ewc": ewc})
    with pytest.raises(ConfigError, match="keeps what weights of a file know"):
        train("input.json")
    with pytest.raises(DataError, match="missing"):
        train("input.json", init_model=short_run)


@pytest.mark.parametrize(
    ("ewc", "message"),
    [
        ({"strength": 1.0}, "systems"),
        ({"systems": ["a"]}, "strength"),
        ({"strength": 0.0, "systems": ["a"]}, "ewc/strength is 0.0; it must be positive"),
        ({"strength": 1.0, "systems": []}, "must name at least one folder"),
        ({"strength": 1.0, "systems": "a", "frames": 0}, "frames is 0; it must be at least 1"),
    ],
)
def test_invalid_sections(ewc, message):
    data = toy.make_input(["a"])
    data["training"]["finetune"] = {"ewc": ewc}
    with pytest.raises(ConfigError, match=message):
        normalize(upgrade(data))
