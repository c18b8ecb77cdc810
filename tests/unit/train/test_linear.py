"""Trainings of linear combinations: several networks, and frozen models alone."""

import json
from pathlib import Path

import numpy as np
import pytest
from small_models import model_section, small_batch, small_model

from deepattn.errors import ConfigError
from deepattn.export import convert, freeze
from deepattn.formats.weight_names import BIAS
from deepattn.models import load_model

from . import toy

NET = {"type": "se_atten", "attn_layer": 0, "sel": 14}
RUN = {"numb_steps": 4, "disp_freq": 2, "save_freq": 2}


def _networks(**options):
    parts = [model_section({**NET, "seed": seed}, **options) for seed in (1, 2)]
    models = [{**part, "fitting_net": {"neuron": [4]}} for part in parts]
    return {"type": "linear_ener", "models": models, "weights": [0.5, 2.0]}


def _input(systems, model, **settings):
    data = toy.make_input(systems, **{**RUN, **settings})
    return {**data, "model": {"type_map": toy.TYPE_MAP, **model}}


@pytest.fixture(scope="module")
def systems(tmp_path_factory):
    folder = tmp_path_factory.mktemp("systems")
    kinds = {"a": [0, 1, 1, 0], "b": [1, 1, 0, 1]}
    return [toy.write_system(folder / name, types, 3) for name, types in kinds.items()]


def _train(content, **options):
    from deepattn.train import train

    Path("input.json").write_text(json.dumps(content))
    return train("input.json", **options)


@pytest.mark.parametrize("convention", ["tensorflow", "common"])
def test_all_networks_are_trained_and_resumed(systems, tmp_path, monkeypatch, convention):
    monkeypatch.chdir(tmp_path)
    content = _input(systems, _networks(convention=convention))
    start = _train({**content, "training": {**content["training"], "numb_steps": 0}})
    before = start.model.get_arrays()
    bias = np.array([before[BIAS], before[f"model1/{BIAS}"]])
    # The energies of toys are -2 eV for each atom: of all, or of each network.
    expected = [[-4.0, -4.0], [0.0, 0.0]] if convention == "common" else [[-2.0, -2.0]] * 2
    np.testing.assert_allclose(bias, expected, atol=0.3)
    whole = _train(content).model.get_arrays()
    for name in ("layer_0/matrix", "model1/layer_0/matrix", "model1/descrpt_attr/t_std"):
        assert np.abs(whole[name]).max() > 0
        moved = not np.array_equal(whole[name], before[name])
        assert moved == ("matrix" in name)
    resumed = _train(content, restart="model.ckpt-2.h5").model.get_arrays()
    for name, array in whole.items():
        np.testing.assert_array_equal(resumed[name], array, err_msg=name)


def test_frozen_models_alone(systems, tmp_path, monkeypatch):
    """A training of no steps makes the file of their mean."""
    monkeypatch.chdir(tmp_path)
    parts = {"a.pb": {**NET, "seed": 3}, "b.pb": {"type": "se_e2_a", "sel": [8, 8]}}
    for name, part in parts.items():
        script = {"model": {**model_section(part), "type": "standard"}}
        freeze(small_model(part), name, training_script=script)
    models = [{"type": "frozen", "model_file": name} for name in parts]
    mean = {"type": "linear_ener", "models": models, "weights": "mean"}
    with pytest.raises(ConfigError, match="nothing to train; set training/numb_steps to 0"):
        _train(_input(systems, mean))
    trainer = _train(_input(systems, mean, numb_steps=0))
    assert not trainer.model.trainable_weights
    graph = convert("model.ckpt-0.h5", tmp_path / "mean.pb")
    inputs, _ = small_batch()
    found = [load_model(name)[0](inputs)["force"] for name in (*parts, graph)]
    np.testing.assert_allclose((found[0] + found[1]) / 2, found[2], rtol=0, atol=1e-12)
