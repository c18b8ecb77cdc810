"""Models that take magnetic moments, of which they make virtual atoms."""

from types import SimpleNamespace

import numpy as np
import pytest
from ase.neighborlist import NewPrimitiveNeighborList
from small_models import model_section

from deepattn.config import ModelConfig, normalize_model
from deepattn.data import System
from deepattn.data.virtual_atoms import with_virtual_atoms
from deepattn.errors import ConfigError, DataError, ModelFileError
from deepattn.export import freeze
from deepattn.formats.dp_file import write_tree
from deepattn.infer import DeepPot
from deepattn.models import SpinModel, build_model, open_model_file
from deepattn.models.dpmodel import from_tree, to_tree
from deepattn.train.run import freeze_command

SECTION = model_section(
    {"type": "se_e2_a", "sel": [8, 8]},
    type_map=["O", "Ni"],
    spin={"use_spin": [False, True], "virtual_scale": [0.3]},
)
TYPES = np.array([1, 0, 1, 0, 0], np.int32)
MAGNETIC = TYPES == 1


@pytest.fixture(scope="module")
def config():
    return ModelConfig.from_dict(normalize_model(SECTION))


@pytest.fixture(scope="module")
def model(config):
    model = build_model(config)
    model.fitting.bias_atom_e.assign([0.7, -1.5, 0, 0])
    return model


def batch(nframes=2):
    rng = np.random.default_rng(4)
    places = 2.0 * np.indices((2, 2, 2)).reshape(3, -1).T[:5]
    moments = rng.normal(size=(nframes, 5, 3))
    return {
        "coord": places + rng.normal(scale=0.2, size=(nframes, 5, 3)),
        "atype": np.tile(TYPES, (nframes, 1)),
        "box": np.tile(np.diag([4.0, 4.5, 5.0]).ravel(), (nframes, 1)),
        "spin": np.where(MAGNETIC[:, np.newaxis], moments, 0.0),
    }


def slope(model, inputs, changed):
    """The derivative of the energies along a change of inputs."""
    step = 1e-5
    ends = [
        model({**inputs, **{n: inputs[n] + sign * step * d for n, d in changed.items()}})
        for sign in (1, -1)
    ]
    return (ends[0]["energy"] - ends[1]["energy"]).numpy() / (2 * step)


def test_forces_and_virials_are_derivatives(model):
    inputs, rng = batch(), np.random.default_rng(1)
    found = {name: values.numpy() for name, values in model(inputs).items()}
    direction = rng.normal(size=(5, 3))
    expected = -np.sum(found["force"] * direction, axis=(1, 2))
    np.testing.assert_allclose(slope(model, inputs, {"coord": direction}), expected, atol=1e-9)
    expected = -np.sum(found["force_mag"] * direction, axis=(1, 2))
    np.testing.assert_allclose(slope(model, inputs, {"spin": direction}), expected, atol=1e-9)
    assert found["mask_mag"].tolist() == [MAGNETIC.tolist()] * 2
    assert np.abs(found["force_mag"][:, MAGNETIC]).min() > 1e-6
    assert not found["force_mag"][:, ~MAGNETIC].any()
    strain = rng.normal(size=(3, 3))
    moved = inputs["coord"] @ strain.T, inputs["box"].reshape(-1, 3, 3) @ strain.T
    changed = {"coord": moved[0], "box": moved[1].reshape(-1, 9)}
    expected = -np.sum(found["virial"].reshape(-1, 3, 3) * strain, axis=(1, 2))
    np.testing.assert_allclose(slope(model, inputs, changed), expected, atol=1e-8)
    np.testing.assert_allclose(found["atom_virial"].sum(axis=1), found["virial"], atol=1e-12)


def test_padding_makes_no_difference(model):
    inputs = batch()
    found = model(inputs)
    wide = {name: np.pad(inputs[name], [(0, 0), (0, 1), (0, 0)]) for name in ("coord", "spin")}
    wide |= {"atype": np.pad(inputs["atype"], [(0, 0), (0, 1)], constant_values=-1)}
    again = model({**inputs, **wide})
    for name in ("energy", "virial"):
        np.testing.assert_allclose(again[name], found[name], atol=1e-12)
    for name in ("force", "force_mag", "atom_energy", "atom_mask", "mask_mag", "descriptor"):
        np.testing.assert_allclose(again[name][:, :5], found[name], atol=1e-12)
        assert not again[name].numpy()[:, 5:].any()


def test_virtual_atoms_of_statistics_are_those_of_the_model(model, config):
    inputs = batch()
    made, expanded = with_virtual_atoms(inputs, config.spin), model.expanded(inputs)
    for name in ("coord", "atype"):
        np.testing.assert_array_equal(made[name], expanded[name])
    assert made["atype"][0].tolist() == [1, 0, 1, 0, 0, 3, -1, 3, -1, -1]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_files(model, config, tmp_path):
    inputs = batch()
    expected = model(inputs)
    tree = to_tree(config, model.get_arrays(), min_nbor_dist=1.2)
    assert tree["model_def_script"]["type_map"] == ["O", "Ni"]
    write_tree(tmp_path / "spin.dp", tree)
    model.save(tmp_path / "spin.keras")
    arguments = (inputs["coord"], inputs["box"], TYPES)
    for name in ("spin.dp", "spin.keras"):
        with DeepPot(tmp_path / name) as pot:
            assert pot.has_spin and pot.get_ntypes_spin() == 0
            assert (pot.get_type_map(), pot.get_ntypes()) == (["O", "Ni"], 2)
            energy, force, virial, magnetic, mask = pot.eval(*arguments, spin=inputs["spin"])
            with pytest.raises(DataError, match="spin is missing"):
                pot.eval(*arguments)
            with pytest.raises(DataError, match=r"need a magnetic moment .* other than zero"):
                pot.eval(*arguments, spin=np.zeros((2, 5, 3)))
        np.testing.assert_allclose(energy[:, 0], expected["energy"], atol=1e-12)
        np.testing.assert_allclose(force, expected["force"], atol=1e-12)
        np.testing.assert_allclose(virial, expected["virial"], atol=1e-12)
        np.testing.assert_allclose(magnetic, expected["force_mag"], atol=1e-12)
        assert mask.dtype == bool and mask.shape == (2, 5, 1)
    with pytest.raises(ModelFileError, match="finds neighbors by itself"):
        DeepPot(tmp_path / "spin.dp", neighbor_list=NewPrimitiveNeighborList(4.0))
    with pytest.raises(ConfigError, match=r"cannot be frozen to \.pb"):
        freeze(model, tmp_path / "spin.pb", training_script={})
    assert not (tmp_path / "spin.pb").exists()
    copy = SpinModel.from_config(model.get_config())
    assert copy.get_config() == model.get_config()


def test_the_next_command_of_a_training_is_one_that_works(config):
    task = SimpleNamespace(tasks={"": SimpleNamespace(model=config)})
    assert freeze_command(task, "model.ckpt") == "deepattn freeze -c model.ckpt -o frozen_model.pt"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"spin": {"use_spin": [True], "virtual_scale": [0.3]}}, "one value for each type"),
        ({"spin": {"use_spin": [0, 1], "virtual_scale": [0.3, 0.3]}}, "one value for each type"),
        ({"backbone": {"atom_exclude_types": [2]}}, "does not have the virtual atoms"),
        ({"backbone": {"pair_exclude_types": []}}, "does not have the virtual atoms"),
        ({"more": 1}, "more"),
    ],
)
def test_trees_of_other_moments_are_refused(model, config, change, message):
    tree = to_tree(config, model.get_arrays(), min_nbor_dist=None)
    change = dict(change)
    backbone = {**tree["model"]["backbone_model"], **change.pop("backbone", {})}
    changed = {**tree, "model": {**tree["model"], "backbone_model": backbone, **change}}
    with pytest.raises(ModelFileError, match=message):
        from_tree(changed, "file.dp")


def test_sections():
    given = normalize_model(SECTION)
    assert given["convention"] == "common"
    assert given["descriptor"]["env_protection"] == 0.01
    config = ModelConfig.from_dict(given)
    assert config.type_map == ("O", "Ni", "O_spin", "Ni_spin")
    assert config.data_types == ("O", "Ni")
    assert config.descriptor.sel == (8, 8, 8, 8)
    assert config.atom_exclude_types == (2, 3)
    assert config.spin.pairs == ((1, 3),)
    assert config.spin.scales == (0.0, 0.3)
    assert config.to_dict() == given
    for scale in (0.3, [0.7, 0.3]):
        again = {**SECTION, "spin": {"use_spin": ["Ni"], "virtual_scale": scale}}
        assert normalize_model(again) == given
    kept = {**SECTION["descriptor"], "env_protection": 0.2}
    assert normalize_model({**SECTION, "descriptor": kept})["descriptor"]["env_protection"] == 0.2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"spin": {**SECTION["spin"], "virtual_len": [0.4]}}, "virtual_len is not for .* common"),
        ({"spin": {"use_spin": [False, True], "virtual_scale": [0.3, 0.2, 0.1]}}, "one positive"),
        ({"convention": "tensorflow"}, "have its true values first"),
        ({"descriptor": {**SECTION["descriptor"], "exclude_types": [[0, 1]]}}, "exclude_types can"),
        ({"descriptor": {"type": "se_atten", "sel": 8}}, "use another descriptor"),
    ],
)
def test_sections_that_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        normalize_model({**SECTION, **change})


def test_data_without_moments(tmp_path):
    (tmp_path / "set.000").mkdir()
    (tmp_path / "type.raw").write_text("0 1\n")
    (tmp_path / "nopbc").touch()
    np.save(tmp_path / "set.000" / "coord.npy", np.zeros((1, 6)))
    with pytest.raises(DataError, match=r"set.000/spin.npy is missing; the model has model/spin"):
        System(tmp_path).frames([0], spin=True, labels=())
    np.save(tmp_path / "set.000" / "spin.npy", np.arange(6.0).reshape(1, 2, 3))
    inputs, labels = System(tmp_path).frames([0], spin=True, labels=("force_mag",))
    assert inputs["spin"].shape == labels["force_mag"].shape == (1, 2, 3)
    assert labels["find_force_mag"] == [0]


# Keras reads its file in a way of which NumPy 2 warns.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_data_have_no_types_of_virtual_atoms(model, tmp_path):
    model.save(tmp_path / "model.keras")
    file = open_model_file(tmp_path / "model.keras")
    assert (file.type_map(), file.moments) == (["O", "Ni"], 0)
