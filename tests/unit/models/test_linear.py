"""Linear combinations of a trained model with tables of pairs and frozen models."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_models import TYPE_MAP, model_section, small_batch, small_model

from deepattn import ops
from deepattn.config import ModelConfig, model_differences, normalize, normalize_model
from deepattn.errors import ConfigError, ModelFileError
from deepattn.export import compress, freeze
from deepattn.infer import DeepPot
from deepattn.infer.inspect import Inspection
from deepattn.models import build_model, load_model
from deepattn.models.dpmodel import to_tree

NETWORK = {"type": "se_e2_a", "sel": [8, 8]}
OTHER = {"attn_layer": 0, "sel": 14, "seed": 5}
RCUT = 4.4


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """A folder with a table for two types and a model."""
    folder = tmp_path_factory.mktemp("terms")
    distance = np.arange(0.1, 5.0, 0.05)
    columns = [scale * np.exp(-distance) for scale in (4.0, 2.0, 1.0)]
    np.savetxt(folder / "table.txt", np.column_stack([distance, *columns]))
    script = {"model": normalize_model(model_section(OTHER))}
    freeze(small_model(OTHER), folder / "other.pb", training_script=script)
    return folder


def section_of(folder, weights=(1.0, 0.5, -2.0), **change):
    pairs = {"type": "pairtab", "tab_file": str(folder / "table.txt"), "rcut": RCUT, "sel": [50, 9]}
    frozen = {"type": "frozen", "model_file": str(folder / "other.pb")}
    models = [pairs, {"type": "standard", **model_section(NETWORK)}, frozen]
    section = {"type": "linear_ener", "type_map": TYPE_MAP, "models": models}
    weights = weights if isinstance(weights, str) else list(weights)
    return {**section, "weights": weights, **change}


def config_of(*arguments, **options):
    return ModelConfig.from_dict(normalize_model(section_of(*arguments, **options)))


def energies_of_pairs(inputs):
    """The sums over all pairs of each atom, counted one by one."""
    images = np.indices((7, 7, 7)).reshape(3, -1).T - 3
    scales = np.array([[4.0, 2.0], [2.0, 1.0]])
    found = np.zeros(inputs["atype"].shape)
    for frame, (coord, kinds) in enumerate(zip(inputs["coord"], inputs["atype"], strict=True)):
        shifts = images @ inputs["box"][frame].reshape(3, 3)
        for i, center in enumerate(coord):
            for j, other in enumerate(coord):
                distance = np.linalg.norm(other - center + shifts, axis=1)
                near = distance[(distance > 0) & (distance < RCUT)]
                found[frame, i] += scales[kinds[i], kinds[j]] * np.exp(-near).sum() / 2
    return found


def test_the_energy_is_the_sum(folder):
    model, (inputs, _) = build_model(config_of(folder)), small_batch()
    network, (other, _) = small_model(NETWORK), load_model(folder / "other.pb")
    weights = {n: a for n, a in model.get_arrays().items() if not n.startswith("model")}
    network.set_arrays(weights)
    found, first, last = model(inputs), network(inputs), other(inputs)
    expected = 0.5 * first["atom_energy"] - 2 * last["atom_energy"] + energies_of_pairs(inputs)
    np.testing.assert_allclose(found["atom_energy"], expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(found["energy"], np.sum(found["atom_energy"], axis=1), atol=1e-12)
    assert model.rcut == RCUT
    assert len(model.trainable_weights) == len(network.trainable_weights)
    direction, step = np.random.default_rng(1).normal(size=inputs["coord"].shape), 1e-5
    ends = [
        np.array(model({**inputs, "coord": inputs["coord"] + sign * step * direction})["energy"])
        for sign in (1, -1)
    ]
    along = -np.einsum("fax,fax->f", found["force"], direction)
    np.testing.assert_allclose((ends[0] - ends[1]) / (2 * step), along, rtol=1e-6)
    np.testing.assert_allclose(found["virial"], np.sum(found["atom_virial"], axis=1), atol=1e-12)


def test_what_a_pipeline_prepares_is_not_computed_again(folder):
    model, (inputs, _) = build_model(config_of(folder)), small_batch()
    prepared = model.prepare({name: tf.constant(array) for name, array in inputs.items()})
    expected = model(inputs)
    model.terms[0].table.data.assign(0 * model.terms[0].table.data)
    for key in ("energy", "force", "virial", "atom_virial"):
        np.testing.assert_array_equal(model(prepared)[key], expected[key])
    assert np.abs(model(inputs)["energy"] - expected["energy"]).min() > 0.1


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_files_are_the_same_potential(folder, tmp_path):
    config = config_of(folder)
    model, (inputs, _) = build_model(config), small_batch()
    expected = model(inputs)
    freeze(model, tmp_path / "model.pb", training_script={"model": config.to_dict()})
    model.save(tmp_path / "model.keras")
    for name in ("model.pb", "model.keras"):
        with DeepPot(tmp_path / name) as potential:
            assert potential.get_rcut() == RCUT
            arguments = (inputs[key] for key in ("coord", "box", "atype"))
            energy, force, _ = potential.eval(*arguments, mixed_type=True)
        np.testing.assert_allclose(energy[:, 0], expected["energy"], rtol=0, atol=1e-12)
        np.testing.assert_allclose(force, expected["force"], rtol=0, atol=1e-12)
    rebuilt, _ = load_model(tmp_path / "model.pb")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for one in (rebuilt, loaded):
        np.testing.assert_array_equal(one(inputs)["force"], expected["force"])
    contents = Inspection(tmp_path / "model.pb")
    assert contents.descriptor()["type"] == "se_e2_a"
    trained = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    assert contents.size()["trained parameters"] == trained
    with pytest.raises(ModelFileError, match="combination of models cannot be changed"):
        from deepattn.models import open_model_file

        open_model_file(tmp_path / "model.pb").energy_bias()


@pytest.mark.skipif(ops.fast_library() is None, reason="the compiled ops are not there")
def test_the_trained_model_can_be_compressed(folder, tmp_path):
    config = config_of(folder)
    model, (inputs, _) = build_model(config), small_batch()
    small = compress(model, min_nbor_dist=0.9, fast=True)
    script = {"model": config.to_dict()}
    path = freeze(small, tmp_path / "c.pb", training_script=script, fast=True)
    with DeepPot(path) as potential:
        arguments = (inputs[key] for key in ("coord", "box", "atype"))
        energy, force, _ = potential.eval(*arguments, mixed_type=True)
    np.testing.assert_allclose(energy[:, 0], model(inputs)["energy"], rtol=0, atol=1e-8)
    np.testing.assert_allclose(force, model(inputs)["force"], rtol=0, atol=1e-8)


def test_a_frozen_model_that_has_changed_is_refused(folder, tmp_path):
    arrays = build_model(config_of(folder)).get_arrays()
    name = "model2/layer_0/matrix"
    with pytest.raises(ModelFileError, match="is not the model that was a term in the training"):
        build_model(config_of(folder), arrays={**arrays, name: arrays[name] + 1})


@pytest.mark.parametrize(
    ("descriptor", "rest", "message"),
    [
        (OTHER, {"type_map": ["H", "O"]}, "has the types H O, but model/type_map is O H"),
        (OTHER, {"fitting": {"numb_fparam": 1}}, "has frame or atomic parameters"),
        (NETWORK, {"fitting": {"type": "dos", "numb_dos": 3}}, "is a model of densities of states"),
    ],
)
def test_other_models_are_no_terms(folder, tmp_path, descriptor, rest, message):
    rest = dict(rest)
    fitting = rest.pop("fitting", None)
    script = {"model": normalize_model(model_section(descriptor, fitting, **rest))}
    model = small_model(descriptor, fitting, **rest)
    freeze(model, tmp_path / "other.pb", training_script=script)
    (tmp_path / "table.txt").write_bytes((folder / "table.txt").read_bytes())
    with pytest.raises(ModelFileError, match=message):
        build_model(config_of(tmp_path))


def test_a_missing_file_is_named(folder, tmp_path):
    (tmp_path / "table.txt").write_bytes((folder / "table.txt").read_bytes())
    with pytest.raises(ModelFileError, match=r"other\.pb"):
        build_model(config_of(tmp_path))


def test_the_normal_form_is_that_of_deepmd(folder):
    config = config_of(folder, "mean")
    section = config.to_dict()
    assert config.weights == (1 / 3,) * 3 and config.place == 1
    assert [model["type"] for model in section["models"]] == ["pairtab", "standard", "frozen"]
    assert section["models"][1]["descriptor"]["type"] == "se_e2_a"
    assert set(section) == {"type", "type_map", "models", "weights"}
    assert ModelConfig.from_dict(json.loads(json.dumps(section))) == config
    assert ModelConfig.from_dict(normalize_model(section)) == config
    assert config_of(folder, "sum").weights == (1.0, 1.0, 1.0)
    changes, _ = model_differences(config, config_of(folder, "sum"))
    assert [difference.key for difference in changes] == ["weights"]


def _with(model, part, **keys):
    return {**model, part: {**model[part], **keys}}


def _models(change):
    def changed(folder):
        models = [dict(model) for model in section_of(folder)["models"]]
        return section_of(folder, models=change(models))

    return changed


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (_models(lambda m: [m[0], m[2]]), "has no model of type standard"),
        (
            _models(lambda m: [m[1], {**m[1], "type_map": ["H", "O"]}, m[2]]),
            r"models/1/type_map is \['H', 'O'\]; it must be the same",
        ),
        (
            _models(lambda m: [m[1], {**m[1], "convention": "common"}, m[2]]),
            "models/1/convention is common, but the first .* has tensorflow",
        ),
        (
            _models(lambda m: [m[1], _with(m[1], "descriptor", sel="auto"), m[2]]),
            "models/1/descriptor/sel is 'auto'; only that of the first",
        ),
        (
            _models(lambda m: [m[1], _with(m[1], "descriptor", rcut=-1.0), m[2]]),
            "models/1/descriptor/rcut is -1.0",
        ),
        (
            _models(lambda m: [m[1], _with(m[1], "descriptor", length=1), m[2]]),
            "models/1/descriptor/length is not a key",
        ),
        (
            _models(lambda m: [m[1], _with(m[1], "fitting_net", numb_fparam=2), m[2]]),
            "models/1/fitting_net/numb_fparam is 2; combined models have no parameters",
        ),
        (
            _models(lambda m: [m[1], {"type": "linear_ener", "models": m, "weights": "sum"}]),
            "models/1/type is 'linear_ener'",
        ),
        (lambda f: section_of(f, [1.0]), "weights is .* a list of 3 numbers"),
        (lambda f: section_of(f, "all"), "weights is 'all'; it must be sum, mean or"),
        (lambda f: section_of(f, use_srtab="t.txt"), "use_srtab has no effect .* move it to"),
        (lambda f: section_of(f, type_map=["O", "C"]), "models/1/type_map is .* the same"),
        (_models(lambda m: [{**m[0], "rcut": -1.0}, *m[1:]]), "models/0/rcut is -1.0"),
        (_models(lambda m: [{**m[0], "sel": "auto"}, *m[1:]]), "models/0/sel is 'auto'"),
        (_models(lambda m: [{**m[0], "file": "x"}, *m[1:]]), "models/0/file is not a key"),
        (_models(lambda m: [{"type": "table"}, *m[1:]]), "models/0/type is 'table', .* supported"),
        (
            _models(lambda m: [m[0], {**m[1], "convention": "common"}, m[2]]),
            "models/1/descriptor/type is se_e2_a; with convention common",
        ),
        (
            _models(lambda m: [m[0], {**m[1], "fitting_net": {"numb_aparam": 1}}, m[2]]),
            "numb_aparam is 1; combined models have no parameters",
        ),
    ],
)
def test_other_combinations_are_refused(folder, section, message):
    with pytest.raises(ConfigError, match=message):
        normalize_model(section(folder))


def _trained(first, second, weights, **model):
    """A combination of two networks and a table."""
    networks = [model_section(part, **model) for part in (first, second)]
    pairs = {"type": "pairtab", "tab_file": "table.txt", "rcut": RCUT, "sel": 59}
    models = [networks[0], pairs, networks[1]]
    return {"type": "linear_ener", "type_map": TYPE_MAP, "models": models, "weights": weights}


@pytest.mark.parametrize("convention", ["tensorflow", "common"])
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_several_models_are_trained(folder, tmp_path, monkeypatch, convention):
    monkeypatch.chdir(folder)
    mixed = {"type": "se_atten", "attn_layer": 0, "sel": 14}
    first = mixed if convention == "common" else NETWORK
    section = _trained(first, {**mixed, "seed": 5}, [0.5, 1.0, -2.0], convention=convention)
    config = ModelConfig.from_dict(normalize_model(section))
    assert ModelConfig.from_dict(normalize_model(config.to_dict())) == config
    assert [part["type"] for part in config.to_dict()["models"]] == [
        "standard",
        "pairtab",
        "standard",
    ]
    model, (inputs, _) = build_model(config), small_batch()
    parts = [small_model(part, convention=convention) for part in (first, {**mixed, "seed": 5})]
    assert len(model.trainable_weights) == sum(len(part.trainable_weights) for part in parts)
    names = model.get_arrays()
    further = {n.removeprefix("model2/"): a for n, a in names.items() if n.startswith("model2/")}
    parts[0].set_arrays({n: a for n, a in names.items() if not n.startswith("model")})
    parts[1].set_arrays(further)
    found, one, other = model(inputs), parts[0](inputs), parts[1](inputs)
    expected = 0.5 * one["atom_energy"] - 2 * other["atom_energy"] + energies_of_pairs(inputs)
    np.testing.assert_allclose(found["atom_energy"], expected, rtol=0, atol=1e-5)
    # Prepared or not, by the loss of forces every network is trained.
    prepared = model.prepare({name: tf.constant(array) for name, array in inputs.items()})
    with tf.GradientTape() as tape:
        force = model(prepared, with_descriptor=False)["force"]
        loss = tf.reduce_sum(force**2)
    np.testing.assert_allclose(force, found["force"], rtol=0, atol=1e-12)
    gradients = tape.gradient(loss, model.trainable_weights)
    # But for the biases of the outputs.
    assert sum(gradient is None for gradient in gradients) <= len(TYPE_MAP) + 1
    script = {"model": config.to_dict()}
    freeze(model, tmp_path / "model.pb", training_script=script)
    model.save(tmp_path / "model.keras")
    rebuilt, _ = load_model(tmp_path / "model.pb")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for again in (rebuilt, loaded):
        np.testing.assert_array_equal(again(inputs)["force"], found["force"])
    with DeepPot(tmp_path / "model.pb") as potential:
        arguments = (inputs[key] for key in ("coord", "box", "atype"))
        energy, force, _ = potential.eval(*arguments, mixed_type=True)
    np.testing.assert_allclose(energy[:, 0], found["energy"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(force, found["force"], rtol=0, atol=1e-12)
    with pytest.raises(ModelFileError, match=r"of combinations|combine models in another way"):
        to_tree(config, names, min_nbor_dist=None)
    contents = Inspection(tmp_path / "model.pb")
    trained = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    assert contents.size()["trained parameters"] == trained
    assert {place: one["type"] for place, one in contents.descriptor().items()} == {
        "models/0": first["type"],
        "models/2": "se_atten",
    }
    for path, place in (
        ("model/descriptor/sel", "model/models/0/descriptor/sel"),
        ("model/models/1/tab_file", "model/models/1/tab_file"),
        ("model/models/2/section/descriptor/sel", "model/models/2/descriptor/sel"),
        ("model/weights", "model/weights"),
    ):
        assert config.in_input(path) == place


def test_a_combination_of_the_common_convention_has_one_bias(folder, monkeypatch):
    monkeypatch.chdir(folder)
    mixed = {"type": "se_atten", "attn_layer": 0, "sel": 14}
    section = _trained(mixed, mixed, "mean", convention="common")
    config = ModelConfig.from_dict(normalize_model(section))
    assert config.bias_factor == 1 / 3 and config_of(folder).bias_factor == 1.0
    with pytest.raises(ConfigError, match="its weight must not be 0"):
        normalize_model({**section, "weights": [0.0, 1.0, 1.0]})
    section["models"][2] = {**section["models"][2], "preset_out_bias": {"energy": [1.0, 2.0]}}
    with pytest.raises(ConfigError, match=r"models/2/preset_out_bias .* have one energy bias"):
        normalize_model(section)


def test_hessians_are_refused(folder):
    model, (inputs, _) = build_model(config_of(folder)), small_batch()
    with pytest.raises(ConfigError, match="no Hessians of combinations"):
        model.hessian(inputs)
    data = {
        "model": section_of(folder),
        "loss": {"start_pref_h": 1.0},
        "learning_rate": {"start_lr": 1e-3},
    }
    data["training"] = {"training_data": {"systems": ["a"]}, "numb_steps": 1}
    with pytest.raises(ConfigError, match=r"start_pref_h .* not for a combination of models"):
        normalize(data)


def test_other_backends_combine_otherwise(folder):
    config = config_of(folder)
    with pytest.raises(ModelFileError, match="combine models in another way"):
        to_tree(config, build_model(config).get_arrays(), min_nbor_dist=None)
    assert Path(config.models[0].tab_file).name == "table.txt"
