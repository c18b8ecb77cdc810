"""What is written for PyTorch is read as the same model: every descriptor, every weight."""

import numpy as np
import pytest
from small_models import dpa2, model_section, small_model

from deepattn.config import ModelConfig, normalize_model
from deepattn.errors import ModelFileError
from deepattn.formats.torch import TorchFile, encode_torch
from deepattn.formats.weight_names import BIAS
from deepattn.models.torch_checkpoint import TorchSource, to_torch
from deepattn.models.torch_state import from_torch

MODELS = {
    "se_atten": {"attn_layer": 2, "type_one_side": True},
    "strip": {"tebd_input_mode": "strip", "smooth_type_embedding": True, "resnet_dt": True},
    "se_e2_a": {"type": "se_e2_a", "sel": [9, 9]},
    "excluded": {"type": "se_e2_a", "sel": [9, 9], "exclude_types": [[0, 1]]},
    "one side": {"type": "se_e2_a", "sel": [9, 9], "type_one_side": True},
    "distances": {"type": "se_e2_r", "type_one_side": True, "resnet_dt": True},
    "three-body": {"type": "se_e3"},
    "three-body with types": {"type": "se_e3_tebd", "tebd_input_mode": "strip"},
    "hybrid": {
        "type": "hybrid",
        "list": [
            {"type": "se_e2_a", "exclude_types": [[0, 1]]},
            {"type": "se_e2_r", "type_one_side": True, "rcut": 2.6},
            {"type": "se_e3", "rcut": 2.2},
        ],
    },
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
    with pytest.raises(ModelFileError, match="lacks the weights"):
        _read({"model": missing})
    table = next(key for key in state if "compress_data" in key)
    with pytest.raises(ModelFileError, match="compressed"):
        _read({"model": {**state, table: np.ones(3)}})


@pytest.mark.parametrize("key, value", [("sel", [1, [2]]), ("exclude_types", [1])])
def test_sections_that_hold_anything(key, value):
    state = _written(MODELS["se_e2_a"])[2]["model"]
    state["_extra_state"]["model_params"]["descriptor"][key] = value
    with pytest.raises(ModelFileError, match=f"descriptor/{key} is not a list of"):
        _read({"model": state})


@pytest.mark.parametrize(
    "name, given",
    [
        ("one side", {"neuron": [25, 50, 100], "axis_neuron": 16, "type_one_side": True}),
        ("se_atten", {"neuron": [25, 50, 100], "set_davg_zero": True, "type_one_side": False}),
        ("three-body", {"neuron": [24, 48, 96]}),
        ("three-body with types", {"neuron": [2, 4, 8], "set_davg_zero": True}),
    ],
)
def test_keys_that_old_files_lack_are_those_of_deepmds_classes(name, given):
    """Which are not those of its inputs: a DescrptSeA is one-sided unless told otherwise."""
    _, _, value = _written(MODELS[name] | given)
    descriptor = value["model"]["_extra_state"]["model_params"]["descriptor"]
    for key in given:
        del descriptor[key]
    found = _read(value)[0].descriptor.to_dict()
    assert {key: found[key] for key in given} == given


def test_the_bias_is_not_rounded_to_the_precision_of_the_nets():
    """PyTorch's backend does that to the bias of the fitting."""
    config, arrays, _ = _written(MODELS["se_e2_a"])
    bias = np.array([-12345.678901234, 98765.4321012345])
    value = to_torch(TorchSource(config, {**arrays, BIAS: bias}))
    state = {key.split(".", 3)[-1]: array for key, array in value["model"].items()}
    assert state["out_bias"].tolist() == bias.reshape(1, 2, 1).tolist()
    assert not state["fitting_net.bias_atom_e"].any()
    assert _read(value)[1][BIAS].tolist() == bias.tolist()


@pytest.mark.parametrize(
    "last, array, reason",
    [
        (".mean", None, "lacks the weights descrpt_attr/t_avg"),
        (".mean", np.zeros(()), r"mean has shape \[\], which its name rules out"),
        (".stddev", np.zeros((0, 9, 4)), r"stddev has shape \[0, 9, 4\], which"),
        ("out_bias", np.zeros(1), "has 1 energies for 2 types"),
    ],
)
def test_tensors_that_are_missing_or_of_another_shape(last, array, reason):
    state = _written(MODELS["se_atten"])[2]["model"]
    changed = {key: array if key.endswith(last) else value for key, value in state.items()}
    with pytest.raises(ModelFileError, match=reason):
        _read({"model": {key: value for key, value in changed.items() if value is not None}})
