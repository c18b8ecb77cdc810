"""Inputs of older versions."""

import copy
import logging

import pytest

from deepattn.config import Config, normalize, upgrade
from deepattn.errors import ConfigError

from .inputs import DPA1, V0, V1, changed, without


def test_version_2_is_left_alone():
    before = copy.deepcopy(DPA1)
    assert upgrade(DPA1) == before == DPA1


def test_version_1(caplog):
    before = copy.deepcopy(V1)
    with caplog.at_level(logging.WARNING):
        data = upgrade(V1)
    assert before == V1
    assert data["training"] == {
        "training_data": {"systems": ["data/a"], "batch_size": 1, "sys_weights": [1]},
        "stop_batch": 1000000,
        "disp_freq": 100,
    }
    assert data["learning_rate"] == {
        "type": "exp",
        "start_lr": 0.001,
        "decay_steps": 5000,
        "stop_lr": pytest.approx(1e-3 * 0.95**200, rel=1e-12),
    }
    assert "DeePMD-kit 1.x" in caplog.text
    assert "numb_test" in caplog.text and "set_prefix" in caplog.text


def test_version_0():
    config = Config.from_dict(normalize(upgrade(V0)))
    descriptor = config.model.descriptor
    assert (descriptor.type, descriptor.sel, descriptor.rcut_smth) == ("se_e2_a", (46, 92), 5.8)
    assert (descriptor.neuron, descriptor.axis_neuron, descriptor.seed) == ((25, 50, 100), 16, 1)
    assert descriptor.resnet_dt
    assert config.model.type_map == () and config.model.ntypes == 2
    assert config.model.fitting_net.neuron == (240, 240, 240)
    assert config.loss.limit_pref_e == 8
    assert config.training.seed == 1
    assert config.training.numb_steps == 1000000
    assert config.training.training_data.systems == ("data/a",)


def test_filter_resnet_dt_counts_only_beside_resnet_dt():
    data = upgrade(without(V0, "resnet_dt"))
    assert data["model"]["descriptor"]["resnet_dt"] is False
    assert data["model"]["fitting_net"]["resnet_dt"] is True


def test_moved_keys():
    data = changed(DPA1, "training/warmup_steps", 10)
    data = changed(data, "training/opt_type", "Adam")
    data = changed(data, "training/adam_beta1", 0.8)
    data["optimizer"] = {"adam_beta1": 0.7, "adam_beta2": 0.9}
    data = upgrade(data)
    assert data["learning_rate"]["warmup_steps"] == 10
    assert data["optimizer"] == {"type": "Adam", "adam_beta1": 0.8, "adam_beta2": 0.9}
    assert set(data["training"]) == {"training_data", "numb_steps"}


def test_sys_prob_of_version_1():
    data = upgrade(changed(without(V1, "training/sys_weights"), "training/sys_prob", [1.0]))
    assert data["training"]["training_data"]["sys_probs"] == [1.0]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({}, "model is required"),
        (changed(V0, "use_smooth", False), "loc_frame"),
        (without(V0, "sel_a"), "sel_a is required"),
        (without(V0, "n_neuron"), "fitting_neuron is required"),
        (changed(V0, "sel_b", 1), "sel_b is not a key of an input of DeePMD-kit 0.x"),
        (changed(V1, "training/training_data", {}), r"both systems .* and training_data"),
        (changed(V1, "learning_rate/decay_rate", "fast"), "decay_rate is 'fast'"),
        (changed(V1, "learning_rate/decay_rate", -1), "both must be positive"),
        (changed(V1, "learning_rate/decay_rate", 1e300), "learning rate overflows"),
        (without(V1, "training/stop_batch"), "training/stop_batch is None"),
        (
            changed(changed(DPA1, "training/warmup_steps", 1), "learning_rate/warmup_steps", 1),
            "warmup_steps is given in both training and learning_rate",
        ),
        (
            changed(changed(V1, "training/sys_prob", [1]), "training/sys_probs", [1]),
            "both sys_prob and sys_probs",
        ),
        (changed(V1, "training/set_prefix", "data"), "training_data/set_prefix is 'data'"),
    ],
)
def test_contradictions(data, expected):
    with pytest.raises(ConfigError, match=expected):
        upgrade(data)
