"""Models of magnetic moments, for which virtual atoms stand."""

import keras
import numpy as np
import pytest
from small_models import model_section
from weight_gradients import assert_forces_train

from deepattn import ops
from deepattn.config import ModelConfig, normalize_model
from deepattn.errors import ConfigError, DataError, ModelFileError
from deepattn.export import compress, freeze, save_model
from deepattn.infer import DeepPot
from deepattn.models import SpinModel, build_model, load_model
from deepattn.models.dpmodel import to_tree
from deepattn.testing import check_model

SCALE = 0.4 / 1.3
SECTION = model_section(
    {"type": "se_e2_a", "sel": [8, 8], "type_one_side": True},
    type_map=["Ni", "O"],
    spin={"use_spin": [True, False], "virtual_len": [0.4], "spin_norm": [1.3]},
)
# Two of nickel, three of oxygen, and the virtual atoms of nickel, in no order.
TYPES = np.array([1, 0, 2, 1, 0, 1, 2], np.int32)
HOSTS, VIRTUAL, OXYGEN = [1, 4], [2, 6], [0, 3, 5]


@pytest.fixture(scope="module")
def model():
    config = ModelConfig.from_dict(normalize_model(SECTION))
    model = build_model(config)
    model.fitting.bias_atom_e.assign([-1.5, 0.7])
    return model


def batch(nframes=2):
    rng = np.random.default_rng(4)
    places = 2.0 * np.indices((2, 2, 2)).reshape(3, -1).T[:7]
    coord = places + rng.normal(scale=0.2, size=(nframes, 7, 3))
    moments = rng.normal(size=(nframes, 2, 3))
    moments *= 0.4 / np.linalg.norm(moments, axis=2, keepdims=True)
    coord[:, VIRTUAL] = coord[:, HOSTS] + moments
    box = np.tile(np.diag([4.0, 4.5, 5.0]).ravel(), (nframes, 1))
    return {"coord": coord, "atype": np.tile(TYPES, (nframes, 1)), "box": box}


def energies(model, inputs, direction):
    """The derivative of the energies along a direction of coordinates."""
    step = 1e-5
    ahead, behind = (
        model({**inputs, "coord": inputs["coord"] + sign * step * direction})["energy"].numpy()
        for sign in (1, -1)
    )
    return (ahead - behind) / (2 * step)


def test_forces_and_virials_are_derivatives(model):
    inputs = batch()
    found = {name: values.numpy() for name, values in model(inputs).items()}
    assert isinstance(model, SpinModel)
    rng = np.random.default_rng(1)
    # Atoms take their virtual atoms along.
    direction = rng.normal(size=(7, 3))
    direction[VIRTUAL] = direction[HOSTS]
    atoms = [*HOSTS, *OXYGEN]
    expected = -np.sum(found["force"][:, atoms] * direction[atoms], axis=(1, 2))
    np.testing.assert_allclose(energies(model, inputs, direction), expected, atol=1e-9)
    # Moments alone.
    turn = np.zeros((7, 3))
    turn[VIRTUAL] = rng.normal(size=(2, 3))
    expected = -np.sum(found["force"][:, VIRTUAL] * turn[VIRTUAL] / SCALE, axis=(1, 2))
    np.testing.assert_allclose(energies(model, inputs, turn), expected, atol=1e-9)
    assert np.abs(found["force"][:, VIRTUAL]).min() > 1e-5
    np.testing.assert_allclose(found["atom_virial"].sum(axis=1), found["virial"], atol=1e-12)


def test_moments_do_not_change_with_the_cell(model):
    """The virial is the derivative by a strain of atoms and cell at constant moments."""
    inputs = batch()
    strain = np.random.default_rng(2).normal(size=(3, 3))
    step, energy = 1e-6, []
    for sign in (1, -1):
        deformation = np.eye(3) + sign * step * strain
        coord = inputs["coord"] @ deformation.T
        moments = inputs["coord"][:, VIRTUAL] - inputs["coord"][:, HOSTS]
        coord[:, VIRTUAL] = coord[:, HOSTS] + moments
        box = inputs["box"].reshape(-1, 3, 3) @ deformation.T
        energy.append(model({**inputs, "coord": coord, "box": box.reshape(-1, 9)})["energy"])
    expected = -(energy[0] - energy[1]).numpy() / (2 * step)
    virial = model(inputs)["virial"].numpy().reshape(-1, 3, 3)
    np.testing.assert_allclose(np.sum(virial * strain, axis=(1, 2)), expected, atol=1e-7)


def test_order_and_padding_make_no_difference(model):
    inputs = batch()
    found = model(inputs)
    # The k-th virtual atom belongs to the k-th host, so both pairs change places.
    order = np.array([6, 4, 0, 5, 2, 1, 3])
    moved = {**inputs, "coord": inputs["coord"][:, order], "atype": inputs["atype"][:, order]}
    for name in ("coord", "atype"):
        widths = [(0, 0)] * moved[name].ndim
        widths[1] = (0, 1)
        moved[name] = np.pad(moved[name], widths, constant_values=-1 if name == "atype" else 0)
    again = model(moved)
    np.testing.assert_allclose(again["energy"], found["energy"], atol=1e-12)
    np.testing.assert_allclose(again["virial"], found["virial"], atol=1e-12)
    force = again["force"].numpy()
    np.testing.assert_allclose(force[:, :7], found["force"].numpy()[:, order], atol=1e-12)
    assert not force[:, 7].any()
    assert again["atom_mask"].numpy().tolist() == [[0, 1, 1, 1, 0, 1, 1, 0]] * 2
    assert again["mask_mag"].numpy().tolist() == [[1, 0, 0, 0, 1, 0, 0, 0]] * 2


def test_gradients_of_forces(model):
    """Trainings differentiate the forces again, the magnetic ones too."""
    rng = np.random.default_rng(5)
    assert_forces_train(model, batch(1), rng.normal(size=(1, 7, 3)), rng)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.skipif(ops.library() is None, reason="the compiled ops are not built")
def test_files(model, tmp_path):
    inputs = batch()
    expected = model(inputs)
    script = {"model": normalize_model(SECTION)}
    freeze(model, tmp_path / "spin.pb", training_script=script)
    model.save(tmp_path / "spin.keras")
    arguments = (inputs["coord"], inputs["box"], TYPES)
    for name in ("spin.pb", "spin.keras"):
        with DeepPot(tmp_path / name) as pot:
            energy, force, virial, atoms, _ = pot.eval(*arguments, atomic=True)
            assert (pot.get_type_map(), pot.get_ntypes()) == (["Ni", "O"], 3)
            assert pot.get_ntypes_spin() == 1 and not pot.has_spin
            with pytest.raises(DataError, match="frame 0 has 2 atoms of Ni, but 1 virtual atoms"):
                pot.eval(inputs["coord"][:, :6], None, TYPES[:6])
        np.testing.assert_allclose(energy[:, 0], expected["energy"], atol=1e-12)
        np.testing.assert_allclose(force, expected["force"], atol=1e-12)
        np.testing.assert_allclose(virial, expected["virial"], atol=1e-12)
        kept = expected["atom_energy"].numpy()[:, TYPES < 2]
        np.testing.assert_allclose(atoms[:, :, 0], kept, atol=1e-12)
    rebuilt, _ = load_model(tmp_path / "spin.pb")
    np.testing.assert_allclose(rebuilt(inputs)["force"], expected["force"], atol=1e-12)
    assert isinstance(rebuilt, SpinModel)
    copy = SpinModel.from_config(model.get_config())
    assert copy.get_config() == model.get_config()


def test_what_there_is_not(model, tmp_path):
    config = ModelConfig.from_dict(normalize_model(SECTION))
    for refused in (
        lambda: compress(model, min_nbor_dist=0.4),
        lambda: save_model(model, tmp_path / "m.savedmodeltf", training_script={}),
        lambda: model.hessian(batch()),
        lambda: check_model(model),
    ):
        with pytest.raises(ConfigError, match="magnetic moments"):
            refused()
    with pytest.raises(ModelFileError, match="model/spin"):
        to_tree(config, model.get_arrays(), min_nbor_dist=None)
    assert not list(tmp_path.iterdir())


def test_a_section_of_a_file_names_elements_only(model):
    given = normalize_model(SECTION)
    config = ModelConfig.from_dict(given)
    assert config.type_map == ("Ni", "O", "Ni_spin")
    assert config.descriptor.sel == (8, 8, 8)
    assert config.atom_exclude_types == (2,)
    assert config.to_dict() == given
    assert given["type_map"] == ["Ni", "O"]
    by_name = {**SECTION, "spin": {**SECTION["spin"], "use_spin": ["Ni"]}}
    by_number = {**SECTION, "spin": {**SECTION["spin"], "use_spin": [0]}}
    assert normalize_model(by_name) == normalize_model(by_number) == given
    np.testing.assert_allclose(config.spin.merged(np.array([1.0, 2.0, 4.0])), [5.0, 2.0])
    assert keras.saving.get_registered_name(SpinModel) == "deepattn>SpinModel"


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("spin", {"use_spin": [True]}, "one value for each type"),
        ("spin", {"use_spin": [False, False]}, "have a true value"),
        ("spin", {"use_spin": [False, True]}, "have its true values first"),
        ("spin", {"use_spin": ["Fe"]}, "list types of model/type_map"),
        ("spin", {"use_spin": [True, False]}, "model/spin/virtual_len is None; it must have one"),
        ("spin", {**SECTION["spin"], "spin_norm": [0.0]}, "spin_norm is .* one positive number"),
        ("spin", {**SECTION["spin"], "scheme": "native"}, "scheme"),
        ("convention", "common", "virtual_len is not for model/convention common"),
        ("type_embedding", {}, "type_embedding cannot be combined with model/spin"),
        ("type_map", ["Ni", "O_spin"], "names elements only"),
        ("descriptor", {**SECTION["descriptor"], "sel": "auto"}, "sel is 'auto', but"),
        ("descriptor", {**SECTION["descriptor"], "type": "se_e2_r"}, "another descriptor"),
        ("fitting_net", {"atom_ener": [1.0, 2.0]}, "atom_ener cannot be combined"),
    ],
)
def test_sections_that_are_refused(key, value, message):
    section = {**SECTION, key: value}
    if section["descriptor"]["type"] == "se_e2_r":
        section["descriptor"] = {"type": "se_e2_r", "sel": [8, 8]}
    with pytest.raises(ConfigError, match=message):
        normalize_model(section)
