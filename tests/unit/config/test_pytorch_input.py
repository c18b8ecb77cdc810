"""Inputs of DeePMD-kit's PyTorch backend: the convention that their models get."""

import copy
import json

import pytest

from deepattn.config import as_pytorch, normalize, read_config
from deepattn.errors import ConfigError

from .inputs import DPA1

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
