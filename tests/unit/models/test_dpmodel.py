"""Models as trees of no backend, and back; what is refused, by name."""

import copy

import numpy as np
import pytest
from small_models import HYBRID, TYPE_MAP, model_section, small_batch
from trees import put

from deepattn.config import ModelConfig, normalize_model
from deepattn.errors import ModelFileError
from deepattn.formats.weight_names import BIAS
from deepattn.models import build_model
from deepattn.models.dpmodel import from_tree, set_bias, to_tree

COMMON = {"convention": "common"}
STRIP = {"tebd_input_mode": "strip"}
# Descriptor, fitting net, rest of the model section.
CASES = {
    "concat without attention": ({"attn_layer": 0}, {}, {}),
    "attention": ({"attn_layer": 2, "trainable_ln": False, "ln_eps": 1e-5}, {}, COMMON),
    "temperature": ({"temperature": 0.7, "attn_dotr": False}, {}, COMMON),
    "smooth": ({**STRIP, "smooth_type_embedding": True, "set_davg_zero": False}, {}, COMMON),
    "options": ({**STRIP, "concat_output_tebd": False, "normalize": False}, {}, COMMON),
    "no types for the fitting net": ({"attn_layer": 0, "concat_output_tebd": False}, {}, COMMON),
    "v2": ({"type": "se_atten_v2", "type_one_side": True, "trainable": False}, {}, COMMON),
    "strip": ({**STRIP, "attn_layer": 0, "resnet_dt": True, "exclude_types": [[0, 1]]}, {}, {}),
    "type embedding": (
        {"attn_layer": 0, "type_one_side": True},
        {"trainable": [True, False, True]},
        {
            "type_embedding": {
                "neuron": [3, 6],
                "resnet_dt": True,
                "use_tebd_bias": True,
                "use_econf_tebd": True,
            }
        },
    ),
    "parameters": ({"attn_layer": 0}, {"numb_fparam": 2, "numb_aparam": 1}, {}),
    "isolated atoms": ({"attn_layer": 0}, {"atom_ener": [-1.0, None]}, COMMON),
    "doubling fitting net": ({"attn_layer": 0}, {"neuron": [16, 32, 32]}, COMMON),
    "single precision": (
        {"attn_layer": 0, "precision": "float32"},
        {"precision": "float32", "activation_function": "silut:2"},
        {"type_embedding": {"precision": "float32"}},
    ),
    "se_e2_a": ({"type": "se_e2_a", "exclude_types": [[0, 1]], "resnet_dt": True}, {}, {}),
    "se_e2_a of one side": ({"type": "se_e2_a", "type_one_side": True}, {"neuron": [6]}, {}),
    "se_e2_r": ({"type": "se_e2_r", "type_one_side": True, "resnet_dt": True}, {}, {}),
    "se_e3": ({"type": "se_e3", "exclude_types": [[0, 1]]}, {}, {}),
    "se_e3_tebd": ({"type": "se_e3_tebd", "concat_output_tebd": False}, {}, {}),
    "se_e3_tebd strip": ({"type": "se_e3_tebd", "tebd_input_mode": "strip"}, {}, {}),
    "hybrid": (
        {
            "type": "hybrid",
            "list": [
                {"type": "se_e2_a", "exclude_types": [[0, 1]]},
                {"type": "se_e2_r", "type_one_side": True, "rcut": 2.6},
            ],
        },
        {},
        {},
    ),
}


def config_of(descriptor, fitting, rest):
    if descriptor.get("type", "se_atten").startswith("se_atten"):
        rest = {"type_embedding": {"neuron": [3], "seed": 4}, **rest}
    section = model_section(descriptor, fitting, **rest)
    return ModelConfig.from_dict(normalize_model(section))


def random_model(name):
    """A model with random biases and statistics."""
    config = config_of(*CASES[name])
    model = build_model(config)
    rng = np.random.default_rng(6)
    arrays = model.get_arrays()
    for key in (BIAS, "fitting_attr/t_fparam_avg"):
        if key in arrays:
            arrays[key] = rng.uniform(0.5, 1.5, arrays[key].shape)
    for spec in config.descriptor.env_mats():
        slots = (1, sum(spec.sel))
        arrays[spec.dstd] = np.tile(rng.uniform(0.5, 1.5, (2, spec.columns)), slots)
        if name in ("smooth", "v2"):
            arrays[spec.davg] = np.tile(0.1 * rng.normal(size=(2, spec.columns)), slots)
    model.set_arrays(arrays)
    return config, model


@pytest.mark.parametrize("name", CASES)
def test_round_trip_is_exact(name):
    config, model = random_model(name)
    tree = to_tree(config, model.get_arrays(), min_nbor_dist=0.8)
    again, arrays, distance = from_tree(tree, "model.dp")
    assert distance == 0.8
    rebuilt = build_model(again, arrays=arrays)
    for key, array in model.get_arrays().items():
        found = rebuilt.get_arrays()[key]
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array, err_msg=key)
    inputs, _ = small_batch()
    fitting = config.fitting_net
    inputs["fparam"] = np.ones((2, fitting.numb_fparam))
    inputs["aparam"] = np.ones((2, 6, fitting.numb_aparam))
    found, expected = rebuilt(inputs), model(inputs)
    for key in ("energy", "force", "virial"):
        np.testing.assert_array_equal(found[key], expected[key], err_msg=key)
    second = to_tree(again, rebuilt.get_arrays(), min_nbor_dist=0.8)
    assert str(second) == str(tree)


@pytest.mark.parametrize("name", ["attention", "smooth", "v2"])
def test_forces_are_derivatives(name):
    """The common switch has its derivative by way of the environment matrix."""
    _, model = random_model(name)
    inputs, _ = small_batch(nframes=1)
    direction = np.random.default_rng(2).normal(size=inputs["coord"].shape)
    step = 1e-4

    def energy(x):
        return float(
            model({**inputs, "coord": inputs["coord"] + x * step * direction})["energy"][0]
        )

    slope = (8 * (energy(1) - energy(-1)) - energy(2) + energy(-2)) / (12 * step)
    along = -float(np.sum(model(inputs)["force"] * direction))
    assert abs(along) > 1e-5
    assert along == pytest.approx(slope, abs=1e-8)


def test_conventions_differ():
    """The option does something: the same weights, another energy."""
    config, model = random_model("attention")
    section = config.to_dict()
    del section["convention"], section["descriptor"]["temperature"]
    other = build_model(ModelConfig.from_dict(normalize_model(section)), arrays=model.get_arrays())
    inputs, _ = small_batch()
    assert np.abs(model(inputs)["energy"] - other(inputs)["energy"]).max() > 1e-7


LAYER = "model/descriptor/attention_layers/attention_layers/0/attention_layer"
HIDDEN = "model/fitting/nets/networks/0/layers/1"
REFUSED = {
    "model/type": (put("model/type", "linear_ener"), "linear_ener"),
    "model/@version": (put("model/@version", 3), "version 3 of Model"),
    "descriptor": (put("model/descriptor/type", "dpa3"), "'dpa3'"),
    "descriptor version": (put("model/descriptor/@version", 5), "version 5 of Descriptor"),
    "pair_exclude_types": (put("model/pair_exclude_types", [[0, 2]]), "pair_exclude_types"),
    "no pairs": (put("model/pair_exclude_types", [0, 1]), "pair_exclude_types"),
    "atom_exclude_types": (put("model/atom_exclude_types", [2]), "atom_exclude_types"),
    "no types": (put("model/atom_exclude_types", ["O"]), "exclusions that are not types"),
    "env_protection": (put("model/descriptor/env_protection", -0.1), "env_protection"),
    "lmax": (put("model/descriptor/lmax", 2), "lmax"),
    "compress": (put("model/descriptor/compress", {}), "compress"),
    "unknown key": (put("model/descriptor/new_option", 1), "new_option"),
    "normalize": (put(f"{LAYER}/normalize", False), "normalize"),
    "do_mask": (put(f"{LAYER}/do_mask", True), "do_mask"),
    "num_heads": (put(f"{LAYER}/num_heads", 2), "num_heads"),
    "layer version": (put(f"{LAYER}/in_proj/@version", 9), "version 9 of Layer"),
    "temperature": (put(f"{LAYER}/temperature", 50.0), "temperature"),
    "dim_case_embd": (put("model/fitting/dim_case_embd", 3), "dim_case_embd"),
    "default_fparam": (put("model/fitting/default_fparam", ["a"]), "default_fparam"),
    "use_aparam_as_mask": (put("model/fitting/use_aparam_as_mask", True), "use_aparam_as_mask"),
    "fitting type": (put("model/fitting/type", "population"), "population"),
    "precision": (put("model/fitting/precision", "bfloat16"), "bfloat16"),
    "precision of a layer": (put(f"{HIDDEN}/precision", "float32"), "must all its layers"),
    "precision of a projection": (put(f"{LAYER}/in_proj/precision", "float32"), "must all its"),
    "layer_num": (put("model/descriptor/attention_layers/layer_num", 0), "layer_num"),
    "activation": (put(f"{HIDDEN}/activation_function", "relu"), "activation_function"),
    "residual connections": (put(f"{HIDDEN}/resnet", False), "residual connections"),
    "davg": (put("model/descriptor/@variables/davg", np.ones((2, 10, 4))), "order of atoms"),
    "shape": (put("model/descriptor/@variables/davg", np.ones((2, 9, 4))), "davg has shape"),
    "missing key": (lambda tree: tree["model"]["descriptor"].pop("rcut"), "lacks the key 'rcut'"),
    "wrong kind": (put("model/descriptor/rcut", "6"), "rcut has the invalid value '6'"),
}


@pytest.fixture(scope="module")
def tree():
    config, model = random_model("attention")
    return to_tree(config, model.get_arrays(), min_nbor_dist=None)


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_name(tree, name):
    change, words = REFUSED[name]
    tree = copy.deepcopy(tree)
    change(tree)
    with pytest.raises(ModelFileError, match=words) as error:
        from_tree(tree, "model.dp")
    assert str(error.value).startswith("model.dp: ")


@pytest.mark.parametrize("key", ["davg", "dstd"])
def test_statistics_by_slot(tree, key):
    """Slots that all types share are not told apart, so they must have the same statistics."""
    tree = copy.deepcopy(tree)
    tree["model"]["descriptor"]["@variables"][key][1, 3, 0] += 0.5
    with pytest.raises(ModelFileError, match=r"model.dp: .* differs from slot to slot"):
        from_tree(tree, "model.dp")


def test_excluded_nets_that_would_count():
    """For missing neighbors DeePMD-kit evaluates the nets of excluded pairs too."""
    config, model = random_model("se_e2_a")
    tree = to_tree(config, model.get_arrays(), min_nbor_dist=None)
    tree["model"]["descriptor"]["@variables"]["davg"][..., 0] = 0.1
    from_tree(copy.deepcopy(tree), "model.dp")
    net = tree["model"]["descriptor"]["embeddings"]["networks"][1]
    net["layers"][0]["@variables"]["w"][:] = 0.1
    with pytest.raises(ModelFileError, match=r"networks/1 is the net of a pair of exclude_types"):
        from_tree(tree, "model.dp")


UNWRITABLE = {
    "attention of TensorFlow": ({}, {}, {}, "attn_layer has another meaning"),
    "attn_mask": ({"attn_mask": True}, {}, COMMON, "attn_mask"),
    "smooth": ({"attn_layer": 0, "smooth_type_embedding": True}, {}, {}, "smooth_type_embedding"),
    "isolated atoms": ({"attn_layer": 0}, {"atom_ener": [-1.0, -2.0]}, {}, "atom_ener"),
    "gelu_tf": ({"attn_layer": 0, "activation_function": "gelu_tf"}, {}, {}, "gelu_tf"),
    "se_e2_a": ({"type": "se_e2_a"}, {}, {"type_embedding": {"neuron": [3]}}, "type_embedding"),
    "se_a_ebd_v2": ({"type": "se_a_ebd_v2"}, {}, {}, "lack its descriptor"),
    "se_e2_r": ({"type": "se_e2_r"}, {}, {}, "se_e2_r with type_one_side only"),
    "se_e3": ({"type": "se_e3", "sel": [0, 4]}, {}, {}, "numbers of sel, one of which is 0"),
    "hybrid": (HYBRID, {}, {}, "se_e2_r with type_one_side only"),
    "hybrid of types": (
        {"type": "hybrid", "list": [{"type": "se_atten", "attn_layer": 0}]},
        {},
        {},
        "a type embedding in each part",
    ),
}


@pytest.mark.parametrize("name", UNWRITABLE)
def test_unwritable_models(name):
    *sections, words = UNWRITABLE[name]
    config = config_of(*sections)
    with pytest.raises(ModelFileError, match=words):
        to_tree(config, build_model(config).get_arrays(), min_nbor_dist=None)


def test_statistics_that_count_are_unwritable():
    config, model = random_model("concat without attention")
    arrays = {**model.get_arrays(), "descrpt_attr/t_avg": np.ones((2, 40))}
    with pytest.raises(ModelFileError, match="order of atoms"):
        to_tree(config, arrays, min_nbor_dist=None)


def test_biases_of_a_tree_add_up(tree):
    bias = from_tree(tree, "model.dp")[1][BIAS]
    changed = copy.deepcopy(tree)
    changed["model"]["@variables"]["out_bias"] += 1.5
    changed["model"]["@variables"]["out_std"] *= 3.0
    np.testing.assert_array_equal(from_tree(changed, "model.dp")[1][BIAS], bias + 1.5)
    new = np.array([1.0, 2.0])
    np.testing.assert_array_equal(from_tree(set_bias(changed, new), "")[1][BIAS], new)
    assert len(new) == len(TYPE_MAP)
