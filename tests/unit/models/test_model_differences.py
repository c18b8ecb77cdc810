"""Which differences between two model sections are told from those that make another function."""

import functools

import numpy as np
import pytest
from small_models import dpa2, model_section, small_batch

from deepattn.config import ModelConfig, model_differences, normalize_model
from deepattn.models import build_model


def _config(section):
    return ModelConfig.from_dict(normalize_model(section))


def _energy(config, arrays=None):
    model = build_model(config, interface_dtype="float64", arrays=arrays)
    inputs, _ = small_batch()
    return np.asarray(model(inputs)["energy"]), model


def _se_atten(change):
    return model_section(change)


def _without_attention(change):
    return model_section({"attn_layer": 0, **change})


def _se_e2_a(change):
    return model_section({"type": "se_e2_a", "neuron": [4, 4, 8], **change})


def _se_e2_r(change):
    return model_section({"type": "se_e2_r", **change})


def _hybrid(change):
    first = {"type": "se_e2_a", "sel": [4, 6], **change}
    return model_section({"type": "hybrid", "list": [first, {"type": "se_atten", "attn_layer": 0}]})


def _dpa2(change):
    return model_section(dpa2(**change))


def _fitting(change):
    return model_section(None, change)


def _model(change):
    return model_section({"attn_layer": 0}, **change)


def _common(change):
    return model_section({"type": "se_e2_a"}, convention="common", **change)


@pytest.mark.parametrize(
    ("section", "change"),
    [
        (_se_atten, {"rcut": 3.4}),
        (_se_atten, {"rcut_smth": 1.0}),
        (_se_atten, {"activation_function": "gelu"}),
        (_se_atten, {"attn_dotr": False}),
        (_se_atten, {"attn_mask": True}),
        (_se_atten, {"ln_eps": 1e-2}),
        (_se_atten, {"exclude_types": [[0, 1]]}),
        (_se_atten, {"type": "se_atten", "smooth_type_embedding": True}),
        (_se_atten, {"set_davg_zero": False}),
        (_se_atten, {"seed": 5}),
        (_se_atten, {"trainable": False}),
        (_se_atten, {"trainable_ln": False}),
        (_without_attention, {"attn_dotr": False}),
        (_without_attention, {"attn": 9}),
        (_without_attention, {"ln_eps": 1e-2}),
        (_se_e2_a, {"rcut": 3.4}),
        (_se_e2_a, {"set_davg_zero": True}),
        (_se_e2_r, {"rcut": 3.4}),
        (_se_e2_r, {"sel": [6, 4]}),
        (_hybrid, {"rcut": 3.4}),
        (_hybrid, {"exclude_types": [[0, 1]]}),
        (_hybrid, {"seed": 5}),
        (_hybrid, {"set_davg_zero": True}),
        (_fitting, {"activation_function": "silu"}),
        (_fitting, {"atom_ener": [-1.0, -2.0]}),
        (_fitting, {"rcond": 1e-3}),
        (_fitting, {"trainable": False}),
        (_model, {"data_stat_protect": 0.1}),
        (_model, {"preset_out_bias": {"energy": [None, -3.0]}}),
        (_common, {"pair_exclude_types": [[0, 1]]}),
        (_common, {"atom_exclude_types": [1]}),
        (_dpa2, {"smooth": False}),
        (_dpa2, {"env_protection": 0.5}),
        (_dpa2, {"repinit": {"rcut_smth": 1.0}}),
        (_dpa2, {"repinit": {"three_body_rcut": 2.0}}),
        (_dpa2, {"repformer": {"update_style": "res_incr"}}),
        (_dpa2, {"repformer": {"use_sqrt_nnei": False}}),
        (_dpa2, {"repformer": {"attn2_has_gate": True}}),
        (_dpa2, {"repformer": {"update_residual": 0.1}}),
    ],
)
def test_a_difference_counts_where_equal_weights_give_other_energies(section, change):
    stored, energy, arrays = _stored(section)
    given = _config(section(change))
    other, _ = _energy(given, arrays)
    changes, remarks = model_differences(stored, given)
    named = {difference.key.rpartition("/")[2] for difference in (*changes, *remarks)}
    inner = next(iter(change.values()))
    expected = set(inner if isinstance(inner, dict) else change) - {"type"}
    assert named == expected
    assert bool(changes) == (not np.array_equal(energy, other))


@functools.cache
def _stored(section):
    """A model, its energies and its weights."""
    config = _config(section({}))
    energy, model = _energy(config)
    return config, energy, model.get_arrays()


def test_other_weights_are_a_difference():
    stored = _config(model_section())
    for change in ({"neuron": [4, 9]}, {"attn_layer": 2}, {"type_one_side": True}):
        changes, _ = model_differences(stored, _config(model_section(change)))
        assert [difference.key for difference in changes] == [f"descriptor/{next(iter(change))}"]
    embedded = _config(model_section({"type": "se_e2_a"}, type_embedding={"neuron": [4]}))
    changes, _ = model_differences(_config(model_section({"type": "se_e2_a"})), embedded)
    assert "type_embedding/neuron: unset -> [4]" in map(str, changes)
    changes, _ = model_differences(stored, embedded)
    assert list(map(str, changes)) == ["descriptor/type: 'se_atten' -> 'se_e2_a'"]


def test_what_is_the_same_in_other_words():
    section = {"exclude_types": [[0, 1], [1, 1]], "tebd_input_mode": "strip"}
    section["set_davg_zero"] = False
    stored = _config(model_section({**section, "smooth_type_embedding": True}))
    same = {"type": "se_atten_v2", "exclude_types": [[1, 1], [1, 0], [0, 1]]}
    given = _config(model_section({**same, "sel": 12, "seed": None}))
    assert model_differences(stored, given) == ([], [])
    stored, given = (
        _config(_common({"pair_exclude_types": pairs, "atom_exclude_types": types}))
        for pairs, types in (([[0, 1], [1, 1]], [0, 1]), ([[1, 1], [1, 0]], [1, 0, 1]))
    )
    assert model_differences(stored, given) == ([], [])
