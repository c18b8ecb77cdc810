"""DPA-2 as a tree of no backend, and back; what is refused, by name."""

import copy
from dataclasses import replace

import numpy as np
import pytest
from small_models import dpa2, model_section
from trees import put

from deepattn.config import ModelConfig, normalize_model
from deepattn.errors import ModelFileError
from deepattn.formats.weight_names import BIAS
from deepattn.models import build_model
from deepattn.models.dpmodel import from_tree, to_tree

RESIDUAL = {"update_style": "res_residual", "update_residual": 0.3, "update_h2": True}
BARE = {"nlayers": 1, "g1_out_mlp": False, "update_g1_has_conv": False, "g1_dim": 12}
# Before version 3 of the descriptor.
OLD = {"use_sqrt_nnei": False, "g1_out_conv": False, "g1_out_mlp": False}
# Blocks, and what they have in common.
CASES = {
    "everything": (
        {"tebd_input_mode": "strip", "resnet_dt": True, "activation_function": "gelu"},
        {**RESIDUAL, "activation_function": "silut:2", "trainable_ln": False, "ln_eps": 1e-3},
        {
            "add_tebd_to_repinit_out": True,
            "use_econf_tebd": True,
            "use_tebd_bias": True,
            "exclude_types": [[0, 1]],
            "env_protection": 0.1,
        },
    ),
    "no transform": ({"use_three_body": False}, BARE, {"concat_output_tebd": False}),
    "single precision": ({}, {"update_g2_has_attn": False}, {"precision": "float32"}),
    "old": ({}, OLD, {"smooth": False, "trainable": False}),
}


def random_model(name):
    """A model with random statistics and biases."""
    repinit, repformer, rest = CASES[name]
    section = model_section(dpa2(repinit, repformer, **rest), {"numb_fparam": 1})
    config = ModelConfig.from_dict(normalize_model(section))
    model = build_model(config)
    arrays, rng = model.get_arrays(), np.random.default_rng(6)
    for key, array in arrays.items():
        if key.endswith(("davg", "dstd")):
            arrays[key] = np.broadcast_to(rng.uniform(0.5, 1.5, (2, 1, 4)), array.shape)
    arrays[BIAS] = np.array([1.0, -2.0])
    model.set_arrays(arrays)
    return config, model


def make_tree(name):
    config, model = random_model(name)
    return to_tree(config, model.get_arrays(), min_nbor_dist=0.8)


@pytest.mark.parametrize("name", CASES)
def test_round_trip_is_exact(name):
    config, model = random_model(name)
    tree = make_tree(name)
    again, arrays, distance = from_tree(tree, "model.dp")
    assert distance == 0.8
    rebuilt = build_model(again, arrays=arrays)
    for key, array in model.get_arrays().items():
        found = rebuilt.get_arrays()[key]
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array, err_msg=key)
    precision = again.descriptor.precision
    assert again.descriptor == replace(config.descriptor, seed=None, precision=precision)
    assert str(to_tree(again, rebuilt.get_arrays(), min_nbor_dist=0.8)) == str(tree)


def test_the_script_is_the_input():
    """A file tells DeePMD-kit how to build such a model, in the words of an input."""
    script = make_tree("everything")["model_def_script"]
    config, _ = random_model("everything")
    found = ModelConfig.from_dict(normalize_model(script)).descriptor.to_dict()
    expected = {**config.descriptor.to_dict(), "precision": "float64", "seed": None}
    assert found == expected


@pytest.mark.parametrize("version", [1, 2])
def test_older_files(version):
    """They do not say what their layers lack, nor, at first, that type vectors have a bias."""
    tree = make_tree("old")
    expected, _, _ = from_tree(tree, "model.dp")
    descriptor = tree["model"]["descriptor"]
    descriptor["@version"] = version
    layers = descriptor["repformers_variable"]["repformer_layers"]
    for part in (descriptor["repformer_args"], *layers):
        for key in OLD:
            del part[key]
    for layer in layers:
        layer["@version"] = 1
    if version == 1:
        del descriptor["use_tebd_bias"]
    assert from_tree(tree, "model.dp")[0] == expected


LAYER = "repformers_variable/repformer_layers/0"
REFUSED = {
    "version": (put("@version", 5), "version 5 of Descriptor"),
    "compress": (put("repinit_variable/compress", {"a": 1}), "the model that was compressed"),
    "unknown key": (put("new_option", 1), "new_option"),
    "unknown argument": (put("repformer_args/new_option", 1), "repformer_args/new_option"),
    "bad argument": (put("repinit_args/rcut", "far"), "repinit/rcut"),
    "switch": (put("repformers_variable/env_mat/use_exp_switch", True), "use_exp_switch"),
    "layer's option": (put(f"{LAYER}/update_style", "res_avg"), "update_style"),
    "layer's activation": (put(f"{LAYER}/activation_function", "tanh"), "activation_function"),
    "layer's version": (put(f"{LAYER}/@version", 3), "version 3 of RepformerLayer"),
    "gate": (put(f"{LAYER}/attn2g_map/has_gate", True), "has_gate"),
    "shift": (put(f"{LAYER}/loc_attn/attnw_shift", 10.0), "attnw_shift"),
    "norm": (put(f"{LAYER}/attn2_lm/eps", 1e-5), "ln_eps"),
    "linear map": (put(f"{LAYER}/linear1/activation_function", "tanh"), "not a linear layer"),
    "layers": (put("repformers_variable/repformer_layers", []), "0 layers, not nlayers 2"),
    "shape": (put("repinit_variable/@variables/davg", np.ones((2, 9, 4))), "davg has shape"),
    "missing net": (lambda d: d["repinit_variable"].pop("embeddings_strip"), "embeddings_strip"),
    "missing option": (lambda d: d["repformers_variable"].pop("g2_embd"), "g2_embd"),
    "type embedding": (
        put("type_embedding/activation_function", "tanh"),
        "activation_function differs",
    ),
}


@pytest.fixture(scope="module")
def tree():
    return make_tree("everything")


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_name(tree, name):
    change, words = REFUSED[name]
    tree = copy.deepcopy(tree)
    change(tree["model"]["descriptor"])
    with pytest.raises(ModelFileError, match=words) as error:
        from_tree(tree, "model.dp")
    assert str(error.value).startswith("model.dp: ")


@pytest.mark.parametrize("g1_dim", [12, 16])
def test_what_deepmd_kit_cannot_load(g1_dim):
    """It takes the width of repinit alone for that of all first features."""
    config = ModelConfig.from_dict(normalize_model(model_section(dpa2({}, {"g1_dim": g1_dim}))))
    with pytest.raises(ModelFileError, match=f"use_three_body with a g1_dim of {g1_dim}"):
        to_tree(config, build_model(config).get_arrays(), min_nbor_dist=None)
