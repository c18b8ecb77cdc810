"""Models that go over to a table of pairs where atoms come near."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_models import HYBRID, model_section, small_batch, small_model

from deepattn import ops
from deepattn.config import ModelConfig, normalize_model
from deepattn.errors import ConfigError, ModelFileError
from deepattn.export import compress, freeze
from deepattn.infer import DeepPot
from deepattn.losses import EnergyLoss
from deepattn.models import ShortRangeModel, build_model, load_model
from deepattn.models.dpmodel import to_tree

SWITCH = {"smin_alpha": 0.2, "sw_rmin": 1.0, "sw_rmax": 2.4}
MODELS = {
    "slots of types": ({"type": "se_e2_a", "sel": [8, 8]}, {}),
    "shared slots": ({"attn_layer": 0, "sel": 16}, {}),
    "side by side": (HYBRID, {"srtab_add_bias": False}),
}


@pytest.fixture(scope="module", autouse=True)
def table(tmp_path_factory):
    """The path of a table for two types."""
    distance = np.arange(0.1, 3.1, 0.05)
    columns = [scale * np.exp(-distance / 0.6) / distance for scale in (4.0, 2.0, 1.0)]
    path = tmp_path_factory.mktemp("table") / "table.txt"
    np.savetxt(path, np.column_stack([distance, *columns]))
    return str(path)


def options_of(name, table):
    descriptor, options = MODELS[name]
    return descriptor, {**SWITCH, "use_srtab": table, **options}


def model_of(name, table):
    descriptor, options = options_of(name, table)
    model = small_model(descriptor, **options)
    model.fitting.bias_atom_e.assign([-1.5, 0.7])
    return model


def batch():
    inputs, labels = small_batch()
    inputs["atype"][0, 2] = -1
    return inputs, labels


@pytest.mark.parametrize("name", MODELS)
def test_forces_and_virials_are_derivatives(name, table):
    model = model_of(name, table)
    inputs, _ = batch()
    found = model(inputs)
    assert isinstance(model, ShortRangeModel)
    rng, step = np.random.default_rng(1), 1e-5
    direction = rng.normal(size=inputs["coord"].shape) * (inputs["atype"] >= 0)[..., np.newaxis]
    strain = rng.normal(size=(3, 3))

    def difference(change):
        ends = [np.array(model({**inputs, **change(sign * step)})["energy"]) for sign in (1, -1)]
        return (ends[0] - ends[1]) / (2 * step)

    def strained(x):
        moved = np.eye(3) + x * strain
        box = inputs["box"].reshape(-1, 3, 3) @ moved
        return {"coord": inputs["coord"] @ moved, "box": box.reshape(-1, 9)}

    along = -np.einsum("fax,fax->f", found["force"], direction)
    slope = difference(lambda x: {"coord": inputs["coord"] + x * direction})
    np.testing.assert_allclose(slope, along, rtol=1e-6, atol=1e-7)
    virial = np.array(found["virial"]).reshape(-1, 3, 3)
    np.testing.assert_allclose(difference(strained), -np.einsum("fxy,xy->f", virial, strain), 1e-6)
    np.testing.assert_allclose(found["virial"], np.sum(found["atom_virial"], axis=1), atol=1e-12)


def test_hessians_are_derivatives_of_forces(table):
    model = model_of("side by side", table)
    inputs, _ = batch()
    found = model.hessian(inputs).numpy()
    ends = []
    for sign in (1, -1):
        coord = inputs["coord"].copy()
        coord[:, 1, 2] += sign * 1e-4
        ends.append(model({**inputs, "coord": coord})["force"].numpy().reshape(len(coord), -1))
    scale = np.abs(found).max()
    np.testing.assert_allclose(found[:, 5], (ends[1] - ends[0]) / 2e-4, rtol=0, atol=1e-6 * scale)


def test_the_ends_of_the_switch(table):
    """Far from each other the network alone counts, near to each other the table."""
    descriptor, options = options_of("slots of types", table)
    inputs, _ = small_batch()
    plain = small_model(descriptor)
    far = small_model(descriptor, **options | {"sw_rmin": 0.1, "sw_rmax": 0.2})
    near = small_model(descriptor, **options | {"sw_rmin": 5.0, "sw_rmax": 6.0})
    plain.set_arrays({n: a for n, a in far.get_arrays().items() if "t_tab" not in n})
    for key in ("energy", "force", "virial"):
        np.testing.assert_allclose(far(inputs)[key], plain(inputs)[key], atol=1e-13)
    pair = {
        "coord": np.array([[[0.0, 0, 0], [1.1, 0, 0]]]),
        "atype": np.array([[0, 1]], np.int32),
        "box": np.zeros((1, 9)),
    }
    near.fitting.bias_atom_e.assign([-1.5, 0.7])
    expected = 2 * np.exp(-1.1 / 0.6) / 1.1
    assert near(pair)["energy"].numpy()[0] == pytest.approx(expected - 0.8, abs=1e-9)


@pytest.mark.parametrize("name", MODELS)
def test_blocks_and_gradients_are_those_of_all_atoms_at_once(name, table):
    """Of the reference implementations too, where there are compiled ones."""
    model = model_of(name, table)
    inputs, labels = batch()
    loss = EnergyLoss(1e-3, start_pref_v=1.0, limit_pref_v=1.0)

    def run():
        with tf.GradientTape() as tape:
            outputs = model(inputs, with_descriptor=False)
            value, _ = loss(labels, outputs, 1e-3)
        return outputs, tape.gradient(value, model.trainable_weights)

    outputs, gradients = run()
    with ops.portable():
        expected, others = run()
    for key, value in expected.items():
        np.testing.assert_allclose(outputs[key], value, rtol=0, atol=1e-11, err_msg=key)
    for one, other in zip(gradients, others, strict=True):
        other = tf.zeros_like(one) if other is None else other
        np.testing.assert_allclose(one, other, atol=1e-10 * max(1, np.abs(other).max()))


# Keras reads its file in a way of which NumPy 2 warns.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_the_table_is_part_of_every_file(table, tmp_path):
    descriptor, options = options_of("shared slots", table)
    model, (inputs, _) = model_of("shared slots", table), batch()
    section = normalize_model(model_section(descriptor, **options | {"use_srtab": "gone.txt"}))
    freeze(model, tmp_path / "model.pb", training_script={"model": section})
    model.save(tmp_path / "model.keras")
    expected = model(inputs)
    with DeepPot(tmp_path / "model.pb") as potential:
        arguments = (inputs[key] for key in ("coord", "box", "atype"))
        values = potential.eval(*arguments, atomic=True, mixed_type=True)
    keys = ("energy", "force", "virial", "atom_energy", "atom_virial")
    for key, found in zip(keys, values, strict=True):
        found = np.reshape(found, expected[key].shape)
        np.testing.assert_allclose(found, expected[key], rtol=0, atol=1e-11, err_msg=key)
    rebuilt, _ = load_model(tmp_path / "model.pb")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for one in (rebuilt, loaded):
        np.testing.assert_allclose(one(inputs)["force"], expected["force"], rtol=0, atol=1e-13)


@pytest.mark.skipif(ops.fast_library() is None, reason="the compiled ops are not there")
@pytest.mark.parametrize("fast", [False, True])
def test_it_can_be_compressed(table, tmp_path, fast):
    descriptor, options = options_of("slots of types", table)
    model, (inputs, _) = model_of("slots of types", table), small_batch()
    script = {"model": normalize_model(model_section(descriptor, **options))}
    small = compress(model, min_nbor_dist=0.9, fast=fast)
    path = freeze(small, tmp_path / "c.pb", training_script=script, fast=fast)
    with DeepPot(path) as potential:
        arguments = (inputs[key] for key in ("coord", "box", "atype"))
        energy, force, _ = potential.eval(*arguments, mixed_type=True)
    np.testing.assert_allclose(energy[:, 0], model(inputs)["energy"], rtol=0, atol=1e-8)
    np.testing.assert_allclose(force, model(inputs)["force"], rtol=0, atol=1e-8)


def test_other_backends_have_another_model(table):
    descriptor, options = options_of("slots of types", table)
    config = ModelConfig.from_dict(normalize_model(model_section(descriptor, **options)))
    with pytest.raises(ModelFileError, match=r"switch to a table .* in another way"):
        to_tree(config, model_of("slots of types", table).get_arrays(), min_nbor_dist=None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"use_srtab": None}, "model/smin_alpha needs model/use_srtab"),
        ({"sw_rmax": None}, "model/use_srtab needs model/sw_rmax"),
        ({"sw_rmax": 1.0}, "sw_rmax is 1.0; it must be larger than sw_rmin"),
        ({"smin_alpha": 0.0}, "smin_alpha is 0.0"),
        ({"convention": "common"}, "needs model/convention tensorflow"),
    ],
)
def test_keys_that_do_not_go_together(table, change, message):
    descriptor, options = options_of("slots of types", table)
    section = {**options, **change}
    section = {key: value for key, value in section.items() if value is not None}
    with pytest.raises(ConfigError, match=message):
        normalize_model(model_section(descriptor, **section))


def test_a_damaged_table_is_refused(table):
    descriptor, options = options_of("slots of types", table)
    config = ModelConfig.from_dict(normalize_model(model_section(descriptor, **options)))
    arrays = model_of("slots of types", table).get_arrays()
    for name, change in (("data", lambda a: a[:-1]), ("info", lambda a: a * 2)):
        name = f"model_attr/t_tab_{name}"
        with pytest.raises(ModelFileError, match="in the file is damaged"):
            build_model(config, arrays={**arrays, name: change(arrays[name])})
        with pytest.raises(ModelFileError, match="is missing from the file"):
            build_model(config, arrays={n: a for n, a in arrays.items() if n != name})
