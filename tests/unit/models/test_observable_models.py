"""Models of observables: symmetries, derivatives, contributions, files, and what is refused."""

import numpy as np
import pytest
import tensorflow as tf

from deepattn.config import ModelConfig, normalize, normalize_model
from deepattn.errors import ConfigError, ModelFileError
from deepattn.export import convert
from deepattn.formats.checkpoint import write_checkpoint
from deepattn.infer import DeepDipole, DeepDOS, DeepEval, DeepPolar, DeepPot, DeepProperty
from deepattn.models import ObservableModel, build_model, load_model, open_model_file
from deepattn.testing import Frame, check_observable

from ...small_models import dpa2, model_section, small_batch

FITTINGS = {
    "dos": {"type": "dos", "numb_dos": 4},
    "dipole": {"type": "dipole", "sel_type": [1]},
    "polar": {"type": "polar", "scale": [0.5, 2.0]},
    "polar_matrix": {"type": "polar", "fit_diag": False, "sel_type": [0]},
    "gap": {"type": "property", "property_name": "gap", "task_dim": 2, "intensive": True},
    "volume": {"type": "property", "property_name": "volume", "distinguish_types": False},
}
DESCRIPTORS = {"se_atten": {}, "se_e2_a": {"type": "se_e2_a"}, "dpa2": dpa2()}
READERS = {"dos": DeepDOS, "dipole": DeepDipole, "polar": DeepPolar, "gap": DeepProperty}


def _config(fitting, descriptor="se_e2_a", **model):
    section = model_section(DESCRIPTORS[descriptor], FITTINGS[fitting], **model)
    return ModelConfig.from_dict(normalize_model(section))


def _model(fitting, descriptor="se_e2_a", **model):
    """With statistics that are not those of a new model."""
    built = build_model(_config(fitting, descriptor, **model))
    rng = np.random.default_rng(3)
    for name, variable in built.named_variables().items():
        if name.startswith("fitting_attr/"):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    return built


def _frame():
    inputs, _ = small_batch(nframes=1)
    box = inputs["box"][0].reshape(3, 3)
    return Frame(inputs["coord"][0], np.array([1, 0, 1, 1, 0, 1], np.int32), box, "lattice")


def _write(model, config, folder):
    script = {"model": config.to_dict()}
    header = {"config": script, "interface_dtype": "float64", "min_nbor_dist": 1.0, "step": 0}
    weights = {f"weights/{name}": array for name, array in model.get_arrays().items()}
    return write_checkpoint(folder / "model.ckpt", 0, weights, header, keep=1)


@pytest.mark.parametrize("descriptor", DESCRIPTORS)
@pytest.mark.parametrize("fitting", FITTINGS)
def test_symmetries_and_derivatives(fitting, descriptor):
    for check in check_observable(_model(fitting, descriptor), _frame()):
        assert check, str(check)


def test_a_bias_that_breaks_a_symmetry_is_found(monkeypatch):
    model = _model("dipole")
    contract = type(model.fitting).contract

    def shifted(self, values, vectors):
        return contract(self, values, vectors) + tf.constant([[1.0, 0.0, 0.0]], values.dtype)

    monkeypatch.setattr(type(model.fitting), "contract", shifted)
    failed = [check.name for check in check_observable(model, _frame()) if not check]
    assert failed == ["rotation"]


@pytest.mark.parametrize("fitting", FITTINGS)
def test_a_frame_is_the_sum_or_mean_of_its_atoms(fitting):
    model, (inputs, _) = _model(fitting), small_batch()
    inputs["atype"][0, 2] = -1
    outputs = {name: np.asarray(value) for name, value in model(inputs).items()}
    observable = model.observable
    atoms, mask = outputs[observable.atomic_name], outputs["atom_mask"]
    types = range(2) if observable.types is None else observable.types
    np.testing.assert_array_equal(mask, np.isin(inputs["atype"], list(types)))
    assert not atoms[mask == 0].any() and atoms[mask == 1].all()
    expected = atoms.sum(axis=1)
    if observable.intensive:
        expected /= mask.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(outputs[observable.name], expected, rtol=1e-13)


@pytest.mark.parametrize("descriptor", ["se_e2_a", "se_atten"])
@pytest.mark.parametrize("fitting", ["dos", "dipole", "polar"])
def test_a_graph_gives_what_the_model_gives(tmp_path, fitting, descriptor):
    config, model = _config(fitting, descriptor), _model(fitting, descriptor)
    path = _write(model, config, tmp_path)
    graph = convert(path, tmp_path / "graph.pb")
    frame = _frame()
    arguments = (frame.coord, frame.box, frame.atype)
    with READERS[fitting](path) as ours, READERS[fitting](graph) as theirs:
        evaluate = "eval" if fitting == "dos" else "eval_full"
        found, expected = (
            getattr(deep, evaluate)(*arguments, atomic=True) for deep in (theirs, ours)
        )
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-12)
        np.testing.assert_allclose(
            theirs.eval_descriptor(*arguments), ours.eval_descriptor(*arguments), atol=1e-12
        )
    # And back to weights.
    again = load_model(graph)[0]
    assert isinstance(again, ObservableModel)
    for name, array in model.get_arrays().items():
        np.testing.assert_array_equal(again.get_arrays()[name], array, err_msg=name)


@pytest.mark.parametrize(("descriptor", "ending"), [("se_e2_a", "dp"), ("dpa2", "pt")])
@pytest.mark.parametrize("fitting", ["dos", "dipole", "polar", "gap", "volume"])
def test_files_of_other_backends(tmp_path, fitting, descriptor, ending):
    """The same model again, of which other backends have what they know."""
    options = {} if descriptor == "dpa2" else {"convention": "common"}
    if FITTINGS[fitting]["type"] == "property":
        options = {}
    config, model = _config(fitting, descriptor, **options), _model(fitting, descriptor, **options)
    path = _write(model, config, tmp_path)
    again, _ = load_model(convert(path, tmp_path / f"model.{ending}"))
    inputs, _ = small_batch()
    found, expected = again(inputs), model(inputs)
    for name in (model.observable.name, model.observable.atomic_name):
        np.testing.assert_allclose(found[name], expected[name], atol=1e-12, err_msg=name)


def test_chosen_types_in_files_of_other_backends(tmp_path):
    """As types that the whole model leaves out, which is all that PyTorch looks at."""
    options = {"convention": "common", "atom_exclude_types": [0]}
    section = model_section({"type": "se_e2_a"}, {"type": "dipole"}, **options)
    config = ModelConfig.from_dict(normalize_model(section))
    assert config.fitting_net.chosen == (1,) and not config.atom_exclude_types
    path = _write(build_model(config), config, tmp_path)
    for ending in ("dp", "pt"):
        file = open_model_file(convert(path, tmp_path / f"model.{ending}"))
        stored = file.stored().config
        assert stored.fitting_net.chosen == (1,) and not stored.atom_exclude_types
        if ending == "dp":
            assert file.tree["model"]["atom_exclude_types"] == [0]
        else:
            assert file.file.section()["atom_exclude_types"] == [0]
    config, model = _config("dipole"), _model("dipole")
    path = _write(model, config, tmp_path)
    with pytest.raises(ModelFileError, match=r"chosen types .sel_type. unless model/convention"):
        convert(path, tmp_path / "other.pt")


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_an_archive_of_keras(tmp_path):
    model = _model("polar")
    model.save(tmp_path / "model.keras")
    frame = _frame()
    with DeepPolar(tmp_path / "model.keras") as deep:
        found = deep.eval(frame.coord, frame.box, frame.atype, atomic=False)
    inputs = {
        "coord": frame.coord[None],
        "atype": frame.atype[None],
        "box": frame.box.reshape(1, 9),
    }
    np.testing.assert_allclose(found, np.array(model(inputs)["polarizability"]), rtol=1e-12)


def test_models_are_opened_by_their_own_class(tmp_path):
    path = _write(_model("dipole"), _config("dipole"), tmp_path)
    with pytest.raises(ModelFileError, match=r"a model of tensors, not .* DeepDipole"):
        DeepPot(path)
    with pytest.raises(ModelFileError, match="open it with DeepDipole"):
        DeepPolar(path)
    with DeepEval(path) as deep:
        assert list(deep.get_sel_type()) == [1]


def test_what_graphs_and_saved_models_do_not_have(tmp_path):
    path = _write(_model("gap"), _config("gap"), tmp_path)
    with pytest.raises(ModelFileError, match=r"has the fitting property, for which .* write"):
        convert(path, tmp_path / "graph.pb")
    with pytest.raises(ConfigError, match="PropertyFitting cannot be written as SavedModels"):
        convert(path, tmp_path / "model.savedmodeltf")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": {"type": "ener"}}, "loss/type is ener, which trains energies, .* tensor"),
        (
            {"training": {"change_bias_after_training": True}},
            "change_bias_after_training is for models of energies, but the fitting dipole",
        ),
        ({"validating": {"full_validation": True}}, "validation"),
    ],
)
def test_what_only_energies_have_is_refused(changes, message):
    data = {
        "model": model_section({"type": "se_e2_a"}, FITTINGS["dipole"]),
        "learning_rate": {"start_lr": 1e-3, "stop_lr": 1e-5},
        "loss": {"type": "tensor", "pref": 1.0, "pref_atomic": 0.0},
        "training": {"training_data": {"systems": ["data"]}, "numb_steps": 1},
    }
    for section, keys in changes.items():
        data[section] = keys if section == "loss" else {**data.get(section, {}), **keys}
    with pytest.raises(ConfigError, match=message):
        normalize(data)
