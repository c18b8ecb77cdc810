"""Models of frames of which some atoms are masked."""

import numpy as np
import pytest
import tensorflow as tf
from ase.neighborlist import NewPrimitiveNeighborList
from small_models import small_model
from weight_gradients import assert_forces_train

from deepattn import ops
from deepattn.config import ModelConfig, normalize_model
from deepattn.errors import ConfigError, DataError, ModelFileError
from deepattn.export import compress, convert, freeze, save_model
from deepattn.formats.frozen import NO_CUTOFF, read_frozen
from deepattn.infer import DeepPot
from deepattn.models import MaskedModel, build_model, load_model
from deepattn.testing import check_model

TYPES = np.array([1, 0, 0, 1, 0, 1, 0], np.int32)
MASK = np.array([[1, 1, 1, 1, 1, 1, 1], [1, 0, 1, 1, 1, 0, 0]], float)[..., np.newaxis]
OPTIONS = {
    "two sides": {"resnet_dt": True, "neuron": [4, 8]},
    "one side": {"type_one_side": True, "neuron": [4, 4]},
    "excluded": {"exclude_types": [[0, 1]], "neuron": [4, 8]},
    "one side, excluded": {"type_one_side": True, "exclude_types": [[1, 1]], "neuron": [4, 8]},
}


def section(**descriptor):
    keys = {"type": "se_a_mask", "sel": [4, 3], "neuron": [4, 8], "axis_neuron": 3, "seed": 1}
    return {
        "type_map": ["O", "H"],
        "descriptor": {**keys, **descriptor},
        "fitting_net": {
            **{"neuron": [6, 6], "seed": 2, "numb_aparam": 1, "use_aparam_as_mask": True}
        },
    }


def masked_model(**descriptor):
    config = ModelConfig.from_dict(normalize_model(section(**descriptor)))
    model = build_model(config)
    model.fitting.bias_atom_e.assign([-1.5, 0.7])
    return model


@pytest.fixture(scope="module")
def model():
    return masked_model(resnet_dt=True)


def frames():
    rng = np.random.default_rng(3)
    coord = 2.0 * np.indices((2, 2, 2)).reshape(3, -1).T[:7] + rng.normal(0, 0.3, (2, 7, 3))
    # Masked atoms are often at the origin, several of them.
    coord[MASK[..., 0] == 0] = 0.0
    return {
        "coord": coord,
        "atype": np.tile(TYPES, (2, 1)),
        "box": np.zeros((2, 9)),
        "aparam": MASK,
    }


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_energies_are_those_of_the_atoms_that_are_there(options):
    """An independent model: DeepPot-SE within its inner radius, of the other atoms alone."""
    found, inputs = masked_model(**options), frames()
    far = {"type": "se_e2_a", "sel": [4, 3], "rcut": 60.0, "rcut_smth": 50.0}
    other = small_model({**far, "axis_neuron": 3, **options})
    arrays = {**other.get_arrays(), **found.get_arrays()}
    other.set_arrays(arrays)
    outputs = found(inputs)
    for frame, mask in enumerate(MASK[..., 0] > 0):
        alone = {key: inputs[key][frame : frame + 1] for key in ("coord", "atype", "box")}
        alone |= {key: alone[key][:, mask] for key in ("coord", "atype")}
        expected = other(alone)
        for name in ("atom_energy", "force", "descriptor"):
            ours = outputs[name].numpy()[frame]
            np.testing.assert_allclose(ours[mask], expected[name][0], rtol=1e-9, atol=1e-12)
        assert not outputs["force"].numpy()[frame, ~mask].any()
        assert not outputs["descriptor"].numpy()[frame, ~mask].any()
    assert np.abs(outputs["force"]).max() > 1e-5


def test_masked_atoms_have_the_energy_of_their_type_and_do_nothing(model):
    inputs = frames()
    found = {name: values.numpy() for name, values in model(inputs).items()}
    lone = model({**inputs, "aparam": np.zeros_like(MASK)})["atom_energy"].numpy()[1]
    masked = MASK[1, :, 0] == 0
    np.testing.assert_allclose(found["atom_energy"][1, masked], lone[masked], atol=1e-14)
    assert len(set(lone.round(12))) == 2
    moved = inputs["coord"] + (1 - MASK) * np.random.default_rng(1).normal(size=(2, 7, 3))
    again = model({**inputs, "coord": moved})
    for name, values in found.items():
        np.testing.assert_allclose(again[name], values, atol=1e-14)
    assert found["atom_mask"].all()
    assert not found["virial"].any() and not found["atom_virial"].any()
    # No cell, either.
    celled = model({**inputs, "box": np.tile(np.diag([3.0, 3.0, 3.0]).ravel(), (2, 1))})
    np.testing.assert_allclose(celled["energy"], found["energy"], atol=1e-14)


def test_single_precision(model):
    config = ModelConfig.from_dict(normalize_model(section(resnet_dt=True)))
    low, inputs = build_model(config, interface_dtype="float32"), frames()
    low.set_arrays(model.get_arrays())
    found, expected = low(inputs), model(inputs)
    for name in ("energy", "atom_energy", "force"):
        np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=1e-5, err_msg=name)
    assert found["force"].dtype == tf.float32
    assert not found["force"].numpy()[MASK[..., 0] == 0].any()


def test_forces_are_derivatives(model):
    inputs, step = frames(), 1e-5
    direction = np.random.default_rng(5).normal(size=(7, 3))
    ends = [
        model({**inputs, "coord": inputs["coord"] + sign * step * direction})["energy"].numpy()
        for sign in (1, -1)
    ]
    expected = -(ends[0] - ends[1]) / (2 * step)
    force = model(inputs)["force"].numpy()
    np.testing.assert_allclose(np.sum(force * direction, axis=(1, 2)), expected, atol=1e-9)
    np.testing.assert_allclose(force.sum(axis=1), 0, atol=1e-13)


def test_rotations_and_the_order_of_atoms_make_no_difference(model):
    inputs = frames()
    expected = model(inputs)
    rng = np.random.default_rng(6)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    order = rng.permutation(7)
    coord = inputs["coord"][:, order] @ turn + rng.normal(size=3)
    moved = {"coord": coord, "atype": inputs["atype"][:, order], "aparam": MASK[:, order]}
    found = model({**inputs, **moved})
    np.testing.assert_allclose(found["energy"], expected["energy"], atol=1e-12)
    force = expected["force"].numpy()[:, order] @ turn
    np.testing.assert_allclose(found["force"], force, atol=1e-12)


def test_gradients_of_forces(model):
    rng = np.random.default_rng(7)
    assert_forces_train(model, frames(), rng.normal(size=(2, 7, 3)), rng)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.skipif(ops.library() is None, reason="the compiled ops are not built")
def test_files(model, tmp_path):
    inputs = frames()
    expected = model(inputs)
    script = {"model": normalize_model(section(resnet_dt=True))}
    freeze(model, tmp_path / "mask.pb", training_script=script)
    model.save(tmp_path / "mask.keras")
    for name in ("mask.pb", "mask.keras"):
        with DeepPot(tmp_path / name) as pot:
            assert (pot.get_rcut(), pot.get_dim_aparam()) == (NO_CUTOFF, 1)
            energy, force, virial, atoms, _ = pot.eval(
                inputs["coord"], None, TYPES, aparam=MASK, atomic=True
            )
            with pytest.raises(DataError, match="aparam is missing"):
                pot.eval(inputs["coord"], None, TYPES)
            with pytest.raises(DataError, match=r"has 3 atoms of O, but all frames .* have 4"):
                pot.eval(inputs["coord"], None, 1 - TYPES, aparam=MASK)
            with pytest.raises(DataError, match="atom 7 of frame 0 has type -1"):
                pot.eval(
                    *(np.pad(inputs["coord"], [(0, 0), (0, 1), (0, 0)]), None, [*TYPES, -1]),
                    aparam=np.pad(MASK, [(0, 0), (0, 1), (0, 0)]),
                )
            with pytest.raises(DataError, match=r"atom 0 in frame 0 is 0\.5; it must be 1"):
                pot.eval(inputs["coord"], None, TYPES, aparam=MASK / 2)
        np.testing.assert_allclose(energy[:, 0], expected["energy"], atol=1e-12)
        np.testing.assert_allclose(force, expected["force"], atol=1e-12)
        np.testing.assert_allclose(atoms[:, :, 0], expected["atom_energy"], atol=1e-12)
        assert not virial.any()
    with pytest.raises(ModelFileError, match="sees all atoms of a frame, so it finds neighbors"):
        DeepPot(tmp_path / "mask.pb", neighbor_list=NewPrimitiveNeighborList([3.0]))
    frozen = read_frozen(tmp_path / "mask.pb")
    assert frozen.graph.attr("fitting_attr/aparam_nall") is True
    assert not any("aparam_" in name for name in frozen.weights)
    rebuilt, _ = load_model(tmp_path / "mask.pb")
    np.testing.assert_array_equal(rebuilt(inputs)["force"], expected["force"])
    assert isinstance(rebuilt, MaskedModel)
    copy = MaskedModel.from_config(model.get_config())
    assert copy.get_config() == model.get_config()


def test_what_there_is_not(model, tmp_path):
    with pytest.raises(ConfigError, match="SeAMask cannot be compressed"):
        compress(model, min_nbor_dist=0.4)
    with pytest.raises(ConfigError, match=r"masked atoms .* cannot be written as SavedModels"):
        save_model(model, tmp_path / "m.savedmodeltf", training_script={})
    with pytest.raises(ConfigError, match=r"masked atoms .* cannot be checked"):
        check_model(model)
    with pytest.raises(ConfigError, match="no Hessians of models with masked atoms"):
        model.hessian(frames())
    with pytest.raises(ValueError, match="aparam must be given"):
        model({key: value for key, value in frames().items() if key != "aparam"})
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(ops.library() is None, reason="the compiled ops are not built")
def test_other_backends_have_no_such_models(model, tmp_path):
    script = {"model": normalize_model(section(resnet_dt=True))}
    freeze(model, tmp_path / "mask.pb", training_script=script)
    for name in ("other.dp", "other.pt"):
        with pytest.raises(ModelFileError, match="they lack its descriptor"):
            convert(tmp_path / "mask.pb", tmp_path / name)
        assert not (tmp_path / name).exists()


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("descriptor", {"sel": [4, 3, 1]}, "sel is .* one number per type"),
        ("descriptor", {"sel": "auto"}, "sel is 'auto'"),
        ("descriptor", {"rcut": 6.0}, "model/descriptor/rcut is not a key"),
        ("descriptor", {"axis_neuron": 9}, "axis_neuron is 9"),
        ("fitting_net", {"numb_aparam": 2}, "numb_aparam is 2; it must be 1 with use_aparam_as"),
        ("fitting_net", {"use_aparam_as_mask": False}, "is se_a_mask, which needs a mask; set num"),
        ("model", {"convention": "common"}, "which only the TensorFlow backend has; remove"),
        ("model", {"type_embedding": {}}, "type_embedding is not available .* nets of their own"),
        (
            "model",
            {"use_srtab": "t", "smin_alpha": 0.1, "sw_rmin": 0.8, "sw_rmax": 1.0},
            "use_srtab is not available for the descriptor se_a_mask, which has no cutoff",
        ),
        (
            "model",
            {"descriptor": {"type": "se_e2_a", "sel": [4, 3]}},
            "use_aparam_as_mask is not available for the descriptor se_e2_a",
        ),
        (
            "model",
            {"descriptor": {"type": "hybrid", "list": [section()["descriptor"]]}},
            "list/0/type is se_a_mask, which cannot be a part of a hybrid",
        ),
        (
            "model",
            {"fitting_net": {"type": "property", "property_name": "gap"}},
            "se_a_mask and the fitting property do not go together",
        ),
        ("model", {"fitting_net": {"type": "dos"}}, "is se_a_mask, which needs a mask"),
        ("model", {"spin": {"use_spin": [True, False]}}, "model/spin"),
    ],
)
def test_sections_that_are_refused(part, change, message):
    given = section()
    target = given if part == "model" else given[part]
    target.update(change)
    with pytest.raises(ConfigError, match=message):
        normalize_model(given)
