"""The typed tree."""

import dataclasses
import json
import subprocess
import sys

import pytest
import yaml

from deepattn.config import (
    Config,
    ModelConfig,
    automatic_sel,
    fill_sel,
    network_dtype,
    normalize,
    normalize_model,
    read_config,
    upgrade,
    with_neighbors,
)
from deepattn.descriptors.se_atten.config import SeAttenConfig
from deepattn.descriptors.se_e2_a.config import SeE2AConfig
from deepattn.errors import ConfigError
from deepattn.schedules import CosineConfig, ExpConfig, WsdConfig

from .inputs import CASES, COSINE, DPA1, DPA2, SE_E2_A, WATER, changed


def config_of(raw):
    return Config.from_dict(normalize(upgrade(raw)))


@pytest.mark.parametrize("name", CASES)
def test_round_trip(name):
    full = normalize(upgrade(CASES[name]))
    config = Config.from_dict(full)
    assert config.to_dict() == full
    assert Config.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_read_config(tmp_path, suffix):
    path = tmp_path / f"input.{suffix}"
    dump = json.dumps if suffix == "json" else yaml.safe_dump
    path.write_text(dump(WATER))
    assert read_config(path) == config_of(WATER)


def test_read_config_names_the_file(tmp_path):
    path = tmp_path / "input.json"
    path.write_text(json.dumps(changed(DPA1, "model/descriptor/rcut", 0)))
    with pytest.raises(ConfigError, match=r"input\.json: model/descriptor/rcut is 0"):
        read_config(path)


def test_kinds():
    assert isinstance(config_of(DPA1).learning_rate, ExpConfig)
    assert isinstance(config_of(COSINE).learning_rate, CosineConfig)
    assert isinstance(config_of(SE_E2_A).learning_rate, WsdConfig)
    assert isinstance(config_of(SE_E2_A).model.descriptor, SeE2AConfig)
    assert isinstance(config_of(DPA1).model.descriptor, SeAttenConfig)
    assert config_of(SE_E2_A).model.type_embedding is None


def test_dpa1_is_written_as_se_atten():
    config = config_of(COSINE)
    assert config.model.descriptor.type == "se_atten"
    assert config.to_dict()["model"]["descriptor"]["type"] == "se_atten"
    assert config.model.descriptor.tebd_input_mode == "strip"
    assert config.model.descriptor.smooth_type_embedding


def test_se_atten_v2_is_stripped_and_smooth():
    descriptor = config_of(WATER).model.descriptor
    assert (descriptor.tebd_input_mode, descriptor.smooth_type_embedding) == ("strip", True)
    assert descriptor.set_davg_zero is False
    assert "tebd_input_mode" not in descriptor.to_dict()
    assert "smooth_type_embedding" not in descriptor.to_dict()


def test_tree_is_frozen():
    config = config_of(DPA1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.model.descriptor.rcut = 5.0


def test_model_config_alone():
    model = ModelConfig.from_dict(normalize_model(WATER["model"]))
    assert model == config_of(WATER).model
    assert model.type_map == ("O", "H") and model.ntypes == 2
    assert model.preset_out_bias == {"energy": (None, -3.2)}
    assert model.fitting_net.trainable == (True, False, True, True)


@pytest.mark.parametrize(("precision", "dtype"), [("default", "float32"), ("float64", "float64")])
def test_network_dtype(precision, dtype):
    assert network_dtype(precision, "float32") == dtype


@pytest.mark.parametrize(
    ("sel", "largest", "expected"),
    [
        ("auto", 16, 20),
        ("auto:1.5", 16, 24),
        ("auto:1.0", 16, 16),
        ("auto:1.1", 100, 112),
        (38, 16, 38),
    ],
)
def test_automatic_sel(sel, largest, expected):
    config = fill_sel(config_of(changed(DPA1, "model/descriptor/sel", sel)), lambda key: [largest])
    assert config.model.descriptor.sel == expected


def test_automatic_sel_by_type():
    config = config_of(changed(SE_E2_A, "model/descriptor/sel", "auto"))
    with pytest.raises(ConfigError, match=r"sel is 'auto.*', but no atom .* within 6 Å"):
        fill_sel(config, lambda key: [0, 0])
    filled = fill_sel(config, {(6.0, False): [10, 25]}.get)
    assert filled.model.descriptor.sel == (12, 28)
    assert filled.to_dict()["model"]["descriptor"]["sel"] == [12, 28]
    assert fill_sel(filled, None) is filled
    with pytest.raises(ValueError, match="each of the 2 types"):
        fill_sel(config, lambda key: [10])
    with pytest.raises(ValueError, match="one number"):
        fill_sel(config_of(changed(DPA1, "model/descriptor/sel", "auto")), lambda key: [10, 25])


def test_automatic_lists_of_a_hybrid():
    """A list for each of its descriptors, of which some count all types together."""
    parts = [
        {"type": "se_e2_a", "sel": "auto", "rcut": 4.0},
        {"type": "se_atten", "sel": "auto", "rcut": 6.0},
        {"type": "se_e2_r", "sel": [3, 5], "rcut": 5.0},
    ]
    config = config_of(changed(DPA1, "model/descriptor", {"type": "hybrid", "list": parts}))
    assert [one.key for one in config.model.descriptor.neighbor_lists()] == [
        f"list/{place}/sel" for place in (1, 2, 0)
    ]
    assert automatic_sel(config) == ("model/descriptor/list/1/sel", "auto")
    filled = fill_sel(config, {(4.0, False): [4, 7], (6.0, True): [30]}.get)
    assert [part.sel for part in filled.model.descriptor.list] == [(4, 8), 36, (3, 5)]
    assert fill_sel(filled, None) is filled


def test_types_are_not_counted_by_an_automatic_sel():
    config = config_of(changed(SE_E2_A, "model/descriptor/sel", "auto"))
    nameless = dataclasses.replace(config.model, type_map=())
    with pytest.raises(ValueError, match="type_map"):
        _ = nameless.ntypes


def test_automatic_lists_of_dpa2():
    data = changed(DPA2, "model/descriptor/repinit/nsel", "auto:1.5")
    data = changed(data, "model/descriptor/repinit/three_body_sel", "auto")
    config = config_of(changed(data, "model/descriptor/repformer/nsel", "auto"))
    assert automatic_sel(config) == ("model/descriptor/repinit/nsel", "auto:1.5")
    filled = fill_sel(config, {(6.0, True): [60], (4.0, True): [20]}.get)
    descriptor = filled.model.descriptor
    assert (descriptor.repinit.nsel, descriptor.repinit.three_body_sel) == (92, 24)
    assert descriptor.repformer.nsel == 24
    assert automatic_sel(filled) is None
    assert fill_sel(filled, None) is filled
    with pytest.raises(ConfigError, match=r"repformer/nsel is 48; it must be smaller than"):
        fill_sel(config, {(6.0, True): [30], (4.0, True): [41]}.get)


def test_with_neighbors():
    assert with_neighbors(config_of(DPA1), {"sel": 77}).model.descriptor.sel == 77
    assert with_neighbors(config_of(SE_E2_A), {"sel": (1, 2)}).model.descriptor.sel == (1, 2)


def test_no_tensorflow_is_imported():
    code = "import deepattn.config, sys; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
