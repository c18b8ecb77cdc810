"""The section of models of type pairwise_dprc."""

import json

import pytest
from pairwise_models import section

from deepattn.config import (
    ModelConfig,
    config_from_dict,
    model_differences,
    normalize,
    normalize_model,
)
from deepattn.config.document import document
from deepattn.config.multitask import split
from deepattn.config.pretrained import merge_pretrained
from deepattn.config.pytorch_input import as_pytorch
from deepattn.errors import ConfigError
from deepattn.train.seeds import resolve_seeds


def test_the_normal_form_is_that_of_deepmd():
    full = normalize_model(section())
    assert list(full) == ["type", "type_map", "type_embedding", "qm_model", "qmmm_model"]
    for key in ("qm_model", "qmmm_model"):
        assert full[key]["type"] == "standard" and not {"type_map", "type_embedding"} & set(
            full[key]
        )
    assert normalize_model(full) == full
    config = ModelConfig.from_dict(json.loads(json.dumps(full)))
    assert config.to_dict() == full and ModelConfig.from_dict(config.to_dict()) == config
    assert config.numb_aparam == 1 and config.fitting_net.numb_aparam == 0
    assert config.further[1].type_embedding == config.type_embedding
    assert config.further[1].descriptor.rcut == 4.0


def test_differences_between_models_are_found():
    given, other = (
        ModelConfig.from_dict(normalize_model(one)) for one in (section(), section(qmmm={"sel": 9}))
    )
    changes, _ = model_differences(given, other)
    places = [given.in_input(f"model/{change.key}") for change in changes]
    assert places == ["model/qmmm_model/descriptor/sel"]


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("model/fitting_net/neuron", "model/qm_model/fitting_net/neuron"),
        ("model/models/1", "model/qmmm_model"),
        ("model/type_map", "model/type_map"),
        ("model/type_embedding/neuron", "model/type_embedding/neuron"),
    ],
)
def test_messages_name_the_keys_of_the_input(path, place):
    assert ModelConfig.from_dict(normalize_model(section())).in_input(path) == place


def test_seeds_follow_from_one():
    model = section()
    for key in ("qm_model", "qmmm_model"):
        for part in model[key].values():
            part.pop("seed")
    del model["type_embedding"]["seed"]
    seeded = resolve_seeds(config_from_dict(normalize(_input(model)))).model
    seeds = [one.descriptor.seed for one in (seeded, seeded.further[1])]
    assert None not in seeds and seeds[0] != seeds[1]
    assert seeded.further[1].type_embedding.seed == seeded.type_embedding.seed is not None
    assert ModelConfig.from_dict(seeded.to_dict()).to_dict() == seeded.to_dict()


def _input(model, loss=None, **training):
    data = {"training_data": {"systems": ["a"]}, "numb_steps": 1, "seed": 3, **training}
    return {
        "model": model,
        "loss": loss or {},
        "learning_rate": {"start_lr": 1e-3},
        "training": data,
    }


def _part(key, **keys):
    return lambda: {**section(), key: {**section()[key], **keys}}


def _inner(key, part, **keys):
    return lambda: _part(key, **{part: {**section()[key][part], **keys}})()


def _without(key):
    return lambda: {name: value for name, value in section().items() if name != key}


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (_without("qm_model"), "model/qm_model is required in a model of type pairwise_dprc"),
        (_without("qmmm_model"), "model/qmmm_model is required"),
        (_without("type_embedding"), "model/type_embedding is required"),
        (_without("type_map"), "model/type_map is required"),
        (lambda: section(qmmm_model=3), "model/qmmm_model is 3; it must be a mapping"),
        (
            lambda: {**_without("qm_model")(), "models": [section()["qm_model"]]},
            "model/models has no effect .* move it to model/qm_model and model/qmmm_model",
        ),
        (
            lambda: {"type": "pairwise_dprc", "models": [section()["qm_model"]]},
            "model/models has no effect in a model of type pairwise_dprc",
        ),
        (lambda: section(type_embedding={"width": 3}), "model/type_embedding/width is not a key"),
        (lambda: section(data_stat_nbatch=3), "model/data_stat_nbatch has no effect .* move it to"),
        (_part("qm_model", type="frozen"), "model/qm_model/type is 'frozen'; it must be standard"),
        (_part("qm_model", type_map=["A"]), "model/qm_model has type_map .* remove it"),
        (_part("qm_model", extra=1), "model/qm_model/extra is not a key"),
        (_part("qm_model", convention="common"), "model/qm_model/convention is common"),
        (
            _part("qm_model", use_srtab="t", smin_alpha=0.1, sw_rmin=0.3, sw_rmax=0.9),
            "model/qm_model/use_srtab is not available",
        ),
        (_inner("qmmm_model", "descriptor", rcut=-1.0), "model/qmmm_model/descriptor/rcut is -1"),
        (_inner("qm_model", "descriptor", sel="auto"), "model/qm_model/descriptor/sel is 'auto'"),
        (_inner("qmmm_model", "descriptor", sel="auto"), "model/qmmm_model/.*sel is 'auto', but"),
        (
            _part("qmmm_model", descriptor={"type": "se_e2_a", "sel": [4] * 4}),
            "model/qmmm_model/descriptor/type is se_e2_a; .* share one list",
        ),
        (
            _part("qmmm_model", descriptor={"type": "se_e3_tebd", "sel": 9}),
            "model/qmmm_model/descriptor/type is se_e3_tebd; .* TensorFlow backend",
        ),
        (_inner("qm_model", "fitting_net", numb_aparam=1), "model/qm_model/.*numb_aparam is 1"),
        (_part("qmmm_model", fitting_net={"type": "dos"}), "qmmm_model gives densities of states"),
        (
            _inner("qm_model", "fitting_net", layer_name=["a", None, None]),
            "model/qm_model/fitting_net/layer_name is not available",
        ),
    ],
)
def test_other_sections_are_refused(model, message):
    with pytest.raises(ConfigError, match=message):
        normalize_model(model())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stat_file": "s"}, "training/stat_file is for one energy bias, but pairwise_dprc"),
        ({"change_bias_after_training": True}, "change_bias_after_training is for one energy bias"),
        ({"loss": {"start_pref_h": 1.0}}, "start_pref_h .* combination of models"),
    ],
)
def test_what_is_for_one_network_is_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        normalize(_input(section(), **change))


def test_other_trainings_are_refused():
    script = {"model": normalize_model(section())}
    with pytest.raises(ConfigError, match=r"\(pairwise_dprc\), which cannot be fine-tuned"):
        merge_pretrained({"model": {"type_map": ["C"]}}, script)
    with pytest.raises(ConfigError, match="type is pairwise_dprc; combinations are for single"):
        split({"model": {"model_dict": {"a": section(), "b": section()}}, "training": {}})
    with pytest.raises(ConfigError, match=r"which only .* TensorFlow backend has; leave out --pt"):
        as_pytorch(_input(section()))


def test_editors_know_the_keys():
    schema = json.loads(document("json_schema"))
    text = json.dumps(schema["properties"]["model"])
    assert "qmmm_model" in text and "residues" not in text


def test_a_further_model_of_another_combination_is_refused():
    flat = dict(ModelConfig.flatten(section()))
    part = {**flat["models"][1], "type": "further"}
    with pytest.raises(ConfigError, match="model/qmmm_model/type is further; use standard"):
        normalize_model({**flat, "models": [flat["models"][0], part]})
