"""Inputs of DeePMD-kit's PyTorch backend: the convention that their models get."""

import copy
import json

import pytest

from deepattn.config import as_pytorch, normalize, read_config
from deepattn.errors import ConfigError

from .inputs import DPA1, changed

TENSOR = {
    "model": {
        "type_map": ["O", "H"],
        "atom_exclude_types": [1],
        "descriptor": {"type": "se_e2_a", "sel": [4, 8], "type_one_side": True},
        "fitting_net": {"type": "dipole"},
    },
    "learning_rate": {"start_lr": 1e-3},
    "loss": {"type": "tensor", "pref": 1.0, "pref_atomic": 1.0},
    "training": {"training_data": {"systems": ["data/water"]}, "numb_steps": 100},
}


def test_a_model_gets_the_convention(tmp_path):
    (tmp_path / "input.json").write_text(json.dumps(TENSOR))
    with pytest.raises(ConfigError, match=r"atom_exclude_types = \[1\] .* which train --pt sets"):
        read_config(tmp_path / "input.json")
    model = read_config(tmp_path / "input.json", pytorch=True).model
    assert model.is_common and model.fitting_net.chosen == (0,)


def test_a_given_convention_stays():
    data = copy.deepcopy(DPA1)
    for given, expected in ((None, "common"), ("tensorflow", "tensorflow")):
        data["model"]["convention"] = given
        assert as_pytorch(data)["model"]["convention"] == expected
        assert data["model"]["convention"] == given


def test_of_a_combination_those_that_are_trained():
    trained = {"descriptor": {}, "fitting_net": {}}
    table = {"type": "pairtab", "rcut": 4.0}
    found = as_pytorch({"model": {"type": "linear_ener", "models": [table, trained]}})["model"]
    assert found["models"] == [table, {**trained, "convention": "common"}]
    assert "convention" not in found


@pytest.mark.parametrize("model", [None, [], {"models": 3, "type": "linear_ener"}, {"type": 1}])
def test_what_is_no_model_is_left_to_the_checks(model):
    as_pytorch({"model": model})


def test_branches_have_it_anyway():
    data = {"model": {"model_dict": {"a": {}}}}
    assert as_pytorch(data) == data


def test_what_the_backend_ignores_is_refused():
    data = copy.deepcopy(DPA1)
    data["model"]["fitting_net"] = {"neuron": [4], "layer_name": ["a", "b"]}
    with pytest.raises(ConfigError, match=r"layer_name .* needs model/convention tensorflow"):
        normalize(as_pytorch(data))


def test_keys_of_dpa1_in_the_common_convention():
    """What other backends have in the section of the descriptor is stated where TensorFlow's has
    it, and a factor of the scores as a temperature."""
    keys = {"tebd_dim": 12, "use_tebd_bias": True, "scaling_factor": 2.0, "precision": "float32"}
    keys |= {"concat_output_tebd": False, "normalize": False, "attn": 8}
    data = changed(DPA1, "model/convention", "common")
    data = changed(data, "model/descriptor", {**DPA1["model"]["descriptor"], **keys})
    model = normalize(data)["model"]
    embedding = model["type_embedding"]
    assert (embedding["neuron"], embedding["use_tebd_bias"]) == ([12], True)
    assert (embedding["precision"], embedding["activation_function"]) == ("float32", "linear")
    descriptor = model["descriptor"]
    assert descriptor["temperature"] == 0.25
    assert not descriptor["concat_output_tebd"] and not descriptor["normalize"]
    assert not {"tebd_dim", "scaling_factor"} & set(descriptor)
    assert normalize({**normalize(data)}) == normalize(data)
    with pytest.raises(ConfigError, match=r"scaling_factor is 0\.0; it must be positive"):
        normalize(changed(data, "model/descriptor/scaling_factor", 0))
    with pytest.raises(ConfigError, match=r"tebd_dim = 12 is not supported with model/type_emb"):
        normalize(changed(data, "model/type_embedding", {}))
