"""The flat mapping of weights, and models rebuilt from files."""

import numpy as np
import pytest
from small_models import HYBRID, model_section, small_batch, small_model

from deepattn.config import ModelConfig, normalize_model
from deepattn.errors import ModelFileError
from deepattn.export import freeze
from deepattn.models import build_model, load_model, resize_statistics
from deepattn.train.weight_source import WeightSource


def test_names_are_those_of_a_frozen_graph():
    model = small_model({"tebd_input_mode": "strip"}, {"numb_fparam": 1, "resnet_dt": True})
    names = set(model.named_variables())
    assert names >= {
        "type_embed_net/matrix_1",
        "filter_type_all/matrix_2",
        "filter_type_all/bias_1_two_side_ebd",
        "attention_layer_0/c_query/matrix",
        "attention_layer_0/layer_normalization/gamma",
        "layer_1/idt",
        "final_layer/bias",
        "fitting_attr/t_bias_atom_e",
        "fitting_attr/t_fparam_istd",
        "descrpt_attr/t_avg",
        "descrpt_attr/original_sel",
    }
    assert len(names) == len(model.weights)


def test_arrays_go_out_and_in():
    model, other = small_model(), small_model({"seed": 7}, {"seed": 8})
    other.set_arrays(model.get_arrays())
    inputs, _ = small_batch()
    np.testing.assert_array_equal(other(inputs)["force"], model(inputs)["force"])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda a: a.pop("layer_0/matrix"), "the weights layer_0/matrix are missing"),
        (
            lambda a: a.update(extra=1.0),
            "the file contains the weights extra, which the model does not have",
        ),
        (
            lambda a: a.update({"layer_0/bias": np.zeros(9)}),
            r"the weight layer_0/bias has shape \[9\] in the file, but \[6\] in the model",
        ),
    ],
)
def test_arrays_that_do_not_fit_change_nothing(damage, message):
    model = small_model()
    before = model.get_arrays()
    arrays = {name: array + 1 for name, array in before.items()}
    damage(arrays)
    with pytest.raises(ModelFileError, match=message):
        model.set_arrays(arrays)
    for name, array in model.get_arrays().items():
        np.testing.assert_array_equal(array, before[name])


def test_statistics_grow_with_sel_only_if_padding_does_not_count():
    model = small_model()
    arrays = model.get_arrays()
    options = {"davg_is_zero": True, "smooth_attention": False}
    resized = resize_statistics(arrays, 14, **options)
    assert resized["descrpt_attr/t_std"].shape == (2, 56)
    with pytest.raises(ModelFileError, match="sel is 10 in the file and 14 in the input"):
        resize_statistics(arrays, 14, **options | {"davg_is_zero": False})
    with pytest.raises(ModelFileError, match="smooth attention, whose softmax counts empty slots"):
        resize_statistics(arrays, 14, **options | {"smooth_attention": True})


@pytest.mark.parametrize(
    ("descriptor", "model"),
    [
        ({"type": "se_atten", "resnet_dt": True}, {"type_embedding": {"resnet_dt": True}}),
        ({"type": "se_atten_v2", "exclude_types": [[0, 1]]}, {}),
        (
            {"type": "se_atten", "activation_function": "gelu"},
            {"type_embedding": {"neuron": [4, 4]}},
        ),
        ({"type": "se_e2_a"}, {}),
        ({"type": "se_e2_a", "type_one_side": True, "resnet_dt": True}, {}),
        ({"type": "se_e2_a", "exclude_types": [[0, 0]]}, {}),
        ({"type": "se_e2_a"}, {"type_embedding": {"use_econf_tebd": True}}),
        ({"type": "se_e2_r"}, {}),
        ({"type": "se_e3", "resnet_dt": True}, {}),
        ({"type": "se_a_ebd_v2", "exclude_types": [[0, 1]]}, {}),
        ({"type": "se_e3_tebd", "tebd_input_mode": "strip"}, {}),
        (HYBRID, {}),
        ({"type": "hybrid", "list": [{"type": "se_atten"}, {"type": "se_a_ebd_v2"}]}, {}),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_frozen_model_is_rebuilt(tmp_path, descriptor, model, dtype):
    original = small_model(descriptor, interface_dtype=dtype, **model)
    random = np.random.default_rng(0)
    bias = original.fitting.bias_atom_e
    bias.assign(random.uniform(0.5, 1.0, bias.shape))
    script = {"model": normalize_model(model_section(descriptor, **model))}
    for spec in ModelConfig.from_dict(script["model"]).descriptor.env_mats():
        spread = original.named_variables()[spec.dstd]
        # Of all slots the same, as statistics are.
        of_slot = random.uniform(0.5, 1.0, (spread.shape[0], 1, spec.columns))
        spread.assign(np.tile(of_slot, (1, sum(spec.sel), 1)).reshape(spread.shape))
    path = freeze(original, tmp_path / "model", training_script=script, min_nbor_dist=0.7)
    assert path.name == "model.pb"
    rebuilt, header = load_model(path)
    assert header == {"config": script, "min_nbor_dist": 0.7}
    assert rebuilt.interface_dtype == dtype
    inputs, _ = small_batch(dtype=dtype)
    np.testing.assert_array_equal(rebuilt(inputs)["force"], original(inputs)["force"])
    np.testing.assert_array_equal(rebuilt(inputs)["energy"], original(inputs)["energy"])


@pytest.mark.parametrize(
    ("descriptor", "same"),
    [
        ({}, True),
        ({"smooth_type_embedding": True}, False),
        ({"smooth_type_embedding": True, "attn_layer": 0}, True),
        ({"type": "se_e2_a", "set_davg_zero": True, "sel": [12, 12]}, True),
    ],
)
def test_more_slots_are_refused_where_they_make_another_function(descriptor, same):
    stored = ModelConfig.from_dict(normalize_model(model_section(descriptor)))
    sel, nnei = (14, 14) if isinstance(stored.descriptor.sel, int) else ([13, 13], 26)
    more = ModelConfig.from_dict(normalize_model(model_section({**descriptor, "sel": sel})))
    model = build_model(stored, interface_dtype="float64")
    arrays = model.get_arrays()
    resized = resize_statistics(arrays, nnei, davg_is_zero=True, smooth_attention=False)
    inputs, _ = small_batch()
    energies = [
        np.asarray(build_model(config, interface_dtype="float64", arrays=given)(inputs)["energy"])
        for config, given in ((stored, arrays), (more, resized))
    ]
    assert np.allclose(*energies, rtol=0, atol=1e-12) == same
    start = WeightSource(mode="init_frz_model", path="m.pb", model=stored, weights=arrays)
    if same:
        assert start.weights_for(more).keys() == arrays.keys()
    else:
        with pytest.raises(
            ModelFileError, match=r"m\.pb: sel is 10 in the file and 14 .* set sel to 10"
        ):
            start.weights_for(more)
