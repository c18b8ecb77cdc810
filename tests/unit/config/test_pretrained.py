"""The model section of a fine-tuning."""

import copy

import pytest

from deepattn.config import merge_pretrained, normalize, replace_model, upgrade
from deepattn.errors import ConfigError

from .inputs import DPA1, SE_E2_A, WATER, changed, without

SCRIPT = {
    "model": {
        "type_map": ["Ag", "H", "O"],
        "type_embedding": {"neuron": [8], "activation_function": "None", "trainable": True},
        "descriptor": {"type": "se_atten", "sel": 120, "attn_layer": 1, "seed": 5},
        "fitting_net": {"neuron": [240, 240], "type": "ener"},
        "data_bias_nsample": 3,
    },
    "training": {"numb_test": 10},
}
MINIMAL = {
    **DPA1,
    "model": {
        "type_map": ["O", "H"],
        "type_embedding": {"trainable": False},
        "descriptor": {},
        "fitting_net": {"trainable": [True, False, True], "neuron": [1]},
        "data_bias_nsample": 50,
    },
}


def test_sections_are_the_pretrained_ones():
    raw, script = copy.deepcopy(MINIMAL), copy.deepcopy(SCRIPT)
    merged, target_types = merge_pretrained(raw, script)
    assert (raw, script) == (MINIMAL, SCRIPT)
    assert target_types == ["O", "H"]
    model = merged["model"]
    assert model["type_map"] == ["Ag", "H", "O"]
    assert model["type_embedding"] == {
        "neuron": [8],
        "activation_function": "None",
        "trainable": False,
    }
    assert model["descriptor"] == SCRIPT["model"]["descriptor"]
    assert model["fitting_net"] == {
        "neuron": [240, 240],
        "type": "ener",
        "trainable": [True, False, True],
    }
    assert model["data_bias_nsample"] == 50
    assert merged["training"] == MINIMAL["training"]
    normalize(upgrade(merged))


def test_new_elements_are_appended():
    raw = changed(MINIMAL, "model/type_map", ["Xe", "O", "H", "C"])
    merged, target_types = merge_pretrained(raw, SCRIPT)
    assert merged["model"]["type_map"] == ["Ag", "H", "O", "Xe", "C"]
    assert target_types == ["Xe", "O", "H", "C"]
    script = changed(SCRIPT, "model/fitting_net/atom_ener", [-1.0, None, -2.0])
    merged, _ = merge_pretrained(raw, script)
    assert merged["model"]["fitting_net"]["atom_ener"] == [-1.0, None, -2.0, None, None]


def test_a_new_fitting_net_is_that_of_the_input():
    own = {"type": "property", "property_name": "gap", "neuron": [4, 4]}
    raw = changed(MINIMAL, "model/fitting_net", own)
    script = changed(SCRIPT, "model/fitting_net", {"type": "dipole"})
    merged, _ = merge_pretrained(raw, script, new_fitting=True)
    assert merged["model"]["fitting_net"] == own
    assert merged["model"]["descriptor"] == SCRIPT["model"]["descriptor"]
    raw = without(MINIMAL, "model/fitting_net")
    merged, _ = merge_pretrained(raw, SCRIPT, new_fitting=True)
    assert merged["model"]["fitting_net"] == SCRIPT["model"]["fitting_net"]


def test_missing_sections_are_copied():
    merged, target_types = merge_pretrained({**DPA1, "model": {}}, SCRIPT)
    assert target_types is None
    for name in ("type_embedding", "descriptor", "fitting_net"):
        assert merged["model"][name] == SCRIPT["model"][name]


@pytest.mark.parametrize(
    ("own", "activation", "trainable"),
    [
        ({}, "linear", True),
        ({"activation_function": "tanh"}, "linear", True),
        ({"trainable": False}, "linear", False),
    ],
)
def test_type_embedding_that_the_script_lacks(own, activation, trainable):
    script = without(SCRIPT, "model/type_embedding")
    merged, _ = merge_pretrained(changed(MINIMAL, "model/type_embedding", own), script)
    section = normalize(merged)["model"]["type_embedding"]
    assert section["activation_function"] == activation
    assert section["trainable"] is trainable
    assert section["neuron"] == [8]


@pytest.mark.parametrize("script", [SCRIPT, without(SCRIPT, "model/type_embedding")])
@pytest.mark.parametrize("bias", [True, False])
def test_bias_of_the_type_embedding_follows_the_weights(script, bias):
    merged, _ = merge_pretrained(MINIMAL, script, use_tebd_bias=bias)
    section = normalize(merged)["model"]["type_embedding"]
    assert section["use_tebd_bias"] is bias
    assert (section["activation_function"], section["trainable"]) == ("linear", False)


@pytest.mark.parametrize(
    ("raw", "script", "expected"),
    [
        (changed(MINIMAL, "model/type_map", "O"), SCRIPT, "must be a list of names"),
        (changed(MINIMAL, "model/type_map", ["O", 1]), SCRIPT, "must be a list of names"),
        (changed(MINIMAL, "model/descriptor", 1), SCRIPT, "model/descriptor is 1"),
        (MINIMAL, {}, "the pretrained model's script has no section model"),
        (without(MINIMAL, "model"), SCRIPT, "the input has no section model"),
        (MINIMAL, without(SCRIPT, "model/type_map"), "type_map .* is None; .* unknown"),
        (MINIMAL, changed(SCRIPT, "model/type_map", [["O"]]), r"type_map .* is \[\['O'\]\]"),
        (MINIMAL, changed(SCRIPT, "model/fitting_net/atom_ener", "auto"), "atom_ener is 'auto'"),
        (
            changed(MINIMAL, "model/type_map", ["O", "H", "Xe"]),
            SE_E2_A,
            "does not know Xe, and elements cannot be added to its descriptor 'se_a'",
        ),
        (
            MINIMAL,
            changed(SCRIPT, "model/descriptor", {"type": "se_a_mask", "sel": [1, 2, 3]}),
            "descriptor is 'se_a_mask'; only .* can be fine-tuned; start with --init-frz-model",
        ),
        (MINIMAL, changed(SE_E2_A, "model/spin", {"use_spin": [True, False]}), r"\(spin\)"),
        (MINIMAL, changed(SCRIPT, "model/fitting_net/type", "dos"), "fitting_net is 'dos'"),
    ],
)
def test_refused(raw, script, expected):
    with pytest.raises(ConfigError, match=expected):
        merge_pretrained(raw, script)


def test_replace_model():
    merged = replace_model(WATER, SCRIPT)
    assert merged == {**WATER, "model": SCRIPT["model"]}
    assert merged["model"] is not SCRIPT["model"]
    with pytest.raises(ConfigError, match="no section model"):
        replace_model(WATER, {})
