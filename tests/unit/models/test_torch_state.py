"""What is written for PyTorch is read as the same model: every descriptor, every weight."""

import numpy as np
import pytest
from small_models import dpa2, model_section, small_model

from deepattn.config import ModelConfig, normalize_model
from deepattn.errors import ModelFileError
from deepattn.formats.torch import TorchFile, encode_torch
from deepattn.models.torch_checkpoint import TorchSource, to_torch
from deepattn.models.torch_state import from_torch

MODELS = {
    "se_atten": {"attn_layer": 2, "type_one_side": True},
    "strip": {"tebd_input_mode": "strip", "smooth_type_embedding": True, "resnet_dt": True},
    "se_e2_a": {"type": "se_e2_a", "sel": [9, 9]},
    "excluded": {"type": "se_e2_a", "sel": [9, 9], "exclude_types": [[0, 1]]},
    "one side": {"type": "se_e2_a", "sel": [9, 9], "type_one_side": True},
    "dpa2": dpa2(),
}


def _written(options):
    section = model_section(options, convention="common")
    config = ModelConfig.from_dict(normalize_model(section))
    arrays = small_model(options, convention="common").get_arrays()
    return config, arrays, to_torch(TorchSource(config, arrays, 0.75))


def _read(value):
    return from_torch(TorchFile(encode_torch(value), "model.pt").model(), "model.pt")


@pytest.mark.parametrize("name", MODELS)
def test_there_and_back(name):
    config, arrays, value = _written(MODELS[name])
    found, weights, distance = _read(value)
    assert distance == 0.75 and found.type_map == config.type_map
    assert set(weights) == set(arrays)
    for key, array in arrays.items():
        np.testing.assert_array_equal(weights[key], array, key)
        assert weights[key].shape == np.shape(array), key


@pytest.mark.parametrize("name", ["se_atten", "dpa2"])
def test_what_is_missing_or_unknown_is_refused(name):
    value = _written(MODELS[name])[2]
    state = value["model"]
    prefix = "model.Default.atomic_model."
    unknown = {**state, f"{prefix}descriptor.unheard.matrix": np.ones((2, 2))}
    with pytest.raises(ModelFileError, match=r"descriptor\.unheard\.matrix"):
        _read({"model": unknown})
    missing = {key: x for key, x in state.items() if not key.endswith("fitting_net.bias_atom_e")}
    with pytest.raises(ModelFileError, match="bias_atom_e"):
        _read({"model": missing})
    table = next(key for key in state if "compress_data" in key)
    with pytest.raises(ModelFileError, match="compressed"):
        _read({"model": {**state, table: np.ones(3)}})
