"""Types of atoms and pairs that a model as a whole leaves out."""

import keras
import numpy as np
import pytest
from small_models import HYBRID, dpa2, model_section, small_batch, small_model

from deepattn import ops
from deepattn.config import ModelConfig, normalize_model
from deepattn.data import Batch
from deepattn.errors import ConfigError
from deepattn.export import compress, freeze
from deepattn.infer import DeepPot
from deepattn.statistics.energy_bias import bias_weights
from deepattn.statistics.input_blocks import input_blocks

COMMON = {"convention": "common"}
EXCLUDED = {"pair_exclude_types": [[0, 1]], "atom_exclude_types": [1]}
E2 = {"type": "se_e2_a", "sel": [8, 8]}
SMOOTH = {"type": "se_atten", "attn_layer": 0, "tebd_input_mode": "strip"}
SMOOTH |= {"smooth_type_embedding": True, "sel": 16}
MODELS = {
    "slots of types": (E2, COMMON),
    "attention": ({"smooth_type_embedding": True, "sel": 16}, COMMON),
    "side by side": (HYBRID, COMMON),
    "messages": (dpa2(repformer={"nlayers": 1}), {}),
}


def model_of(name, **options):
    descriptor, rest = MODELS[name]
    return small_model(descriptor, **rest, **options)


@pytest.mark.parametrize("name", MODELS)
def test_excluded_pairs_are_as_far_apart_as_can_be(name):
    """Without the other type, which no atom sees, energies and forces of a type are the same."""
    model = model_of(name, pair_exclude_types=[[1, 0]])
    inputs, _ = small_batch()
    inputs["atype"] = np.array([[0, 1, 0, 1, 1, 0]] * 2, np.int32)
    together = model(inputs)
    for kind in (0, 1):
        chosen = inputs["atype"][0] == kind
        alone = model(
            {**inputs, "coord": inputs["coord"][:, chosen], "atype": np.full((2, 3), kind)}
        )
        for key in ("atom_energy", "force"):
            found = np.asarray(together[key])[:, chosen]
            np.testing.assert_allclose(found, alone[key], rtol=0, atol=1e-13, err_msg=key)
    everything = model_of(name)
    everything.set_arrays(model.get_arrays())
    assert np.abs(everything(inputs)["force"] - together["force"]).max() > 1e-6


@pytest.mark.parametrize("name", MODELS)
def test_excluded_atoms_have_no_energy_but_are_neighbors(name):
    model, whole = model_of(name, atom_exclude_types=[1]), model_of(name)
    whole.set_arrays(model.get_arrays())
    inputs, _ = small_batch()
    inputs["atype"][0, 0] = -1
    found, expected = model(inputs), np.array(whole(inputs)["atom_energy"])
    expected[inputs["atype"] == 1] = 0
    np.testing.assert_allclose(found["atom_energy"], expected, rtol=0, atol=1e-14)
    np.testing.assert_array_equal(found["atom_mask"], inputs["atype"] == 0)
    assert np.abs(np.asarray(found["force"])[inputs["atype"] == 1]).max() > 1e-6
    rng, step = np.random.default_rng(1), 1e-4
    direction = rng.normal(size=inputs["coord"].shape) * (inputs["atype"] >= 0)[..., np.newaxis]
    ends = [
        np.sum(model({**inputs, "coord": inputs["coord"] + sign * step * direction})["energy"])
        for sign in (1, -1)
    ]
    along = -np.sum(found["force"] * direction)
    assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(along, rel=1e-5, abs=1e-9)


def test_the_energies_of_excluded_types_are_not_fitted():
    section = model_section(E2, **COMMON, **EXCLUDED)
    config = ModelConfig.from_dict(normalize_model(section))
    inputs, labels = small_batch(nframes=4)
    labels["energy"] = 2.5 * (inputs["atype"] == 0).sum(axis=1)
    arrays = bias_weights(lambda: [Batch(inputs, labels)], config, None)
    np.testing.assert_allclose(arrays["fitting_attr/t_bias_atom_e"], [2.5, 0], atol=1e-12)
    assert [block.shape.exclude_types for block in input_blocks(config)] == [((0, 1),)]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_keras_saves_and_loads_them(tmp_path):
    model = model_of("slots of types", **EXCLUDED)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    inputs, _ = small_batch()
    np.testing.assert_array_equal(loaded(inputs)["force"], model(inputs)["force"])


@pytest.mark.skipif(ops.fast_library() is None, reason="the compiled ops are not there")
@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("descriptor", [E2, SMOOTH], ids=["slots of types", "shared slots"])
def test_graphs_and_compressed_ones_leave_them_out(tmp_path, descriptor, fast):
    model = small_model(descriptor, **COMMON, **EXCLUDED)
    script = {"model": normalize_model(model_section(descriptor, **COMMON, **EXCLUDED))}
    inputs, _ = small_batch()
    expected = model(inputs)
    for name, one in {
        "whole": model,
        "compressed": compress(model, min_nbor_dist=0.9, fast=fast),
    }.items():
        path = freeze(one, tmp_path / f"{name}.pb", training_script=script, fast=fast)
        with DeepPot(path) as potential:
            arguments = (inputs[key] for key in ("coord", "box", "atype"))
            values = potential.eval(*arguments, atomic=True, mixed_type=True)
        energy, force, _, atomic, _ = values
        bound = 1e-12 if name == "whole" else 1e-8
        np.testing.assert_allclose(energy[:, 0], expected["energy"], rtol=0, atol=bound)
        np.testing.assert_allclose(force, expected["force"], rtol=0, atol=bound)
        np.testing.assert_allclose(atomic[..., 0], expected["atom_energy"], rtol=0, atol=bound)


def test_observables_are_of_all_atoms():
    with pytest.raises(ConfigError, match="is for models of energies, not of densities"):
        normalize_model(
            model_section(E2, {"type": "dos", "numb_dos": 3}, **COMMON, atom_exclude_types=[0])
        )
