"""The energies of QM/MM by pairs, and their derivatives."""

import numpy as np
import pytest
import tensorflow as tf
from pairwise_models import RESIDUES, frames, section

from deepattn.config import ModelConfig, normalize_model
from deepattn.models import build_model

KEYS = ("energy", "atom_energy", "force", "virial", "atom_virial")


@pytest.fixture(scope="module")
def config():
    return ModelConfig.from_dict(normalize_model(section()))


@pytest.fixture(scope="module")
def model(config):
    return build_model(config)


def evaluate(model, inputs):
    return {key: np.array(value) for key, value in model(inputs).items() if key in KEYS}


def of_atoms(inputs, order, **changes):
    """The inputs with some atoms in another order."""
    some = {key: inputs[key][:, order] for key in ("coord", "atype", "aparam")}
    return {**inputs, **some, **changes}


def test_the_energy_is_the_sum_over_parts(config, model):
    """Each part by the model of its section, alone and in open space."""
    inputs, arrays = frames(), model.get_arrays()
    keys = {key: section()[key] for key in ("type_map", "type_embedding")}
    alone = ModelConfig.from_dict(normalize_model({**section()["qm_model"], **keys}))
    own = {name: array for name, array in arrays.items() if not name.startswith("model1/")}
    further = {n.removeprefix("model1/"): a for n, a in arrays.items() if n not in own}
    shared = {name: array for name, array in own.items() if name.startswith("type_embed_net/")}
    qm = build_model(alone, arrays=own)
    pair = build_model(config.further[1], arrays={**further, **shared})
    found = evaluate(model, inputs)
    expected = {key: np.zeros_like(value) for key, value in found.items()}
    for frame, residue in enumerate(inputs["aparam"][..., 0]):
        parts = [(qm, residue == 0)]
        parts += [(pair, (residue == 0) | (residue == k)) for k in np.unique(residue[residue > 0])]
        for one, mask in parts:
            part = {key: inputs[key][frame : frame + 1, mask] for key in ("coord", "atype")}
            values = evaluate(one, {**part, "box": np.zeros((1, 9))})
            expected["energy"][frame] += values["energy"][0]
            expected["virial"][frame] += values["virial"][0]
            for key in ("atom_energy", "force", "atom_virial"):
                expected[key][frame, mask] += values[key][0]
    for key, value in expected.items():
        np.testing.assert_allclose(found[key], value, rtol=0, atol=1e-12, err_msg=key)
    assert np.abs(found["force"]).max() > 1e-3


def test_forces_and_virials_are_derivatives(model):
    inputs, step = frames(), 1e-4
    direction = np.random.default_rng(1).normal(size=inputs["coord"].shape)
    strain = np.random.default_rng(2).normal(size=(3, 3))
    found = evaluate(model, inputs)
    along = np.einsum("fax,fax->f", found["force"], direction)
    stretched = np.einsum("fij,ij->f", found["virial"].reshape(-1, 3, 3), strain)
    for change, expected in ((direction, along), (inputs["coord"] @ strain, stretched)):
        ends = [
            evaluate(model, {**inputs, "coord": inputs["coord"] + sign * step * change})["energy"]
            for sign in (1, -1)
        ]
        np.testing.assert_allclose((ends[1] - ends[0]) / (2 * step), expected, atol=1e-7)


def test_the_order_of_atoms_and_residues_means_nothing(model):
    inputs, order = frames(), np.random.default_rng(3).permutation(len(RESIDUES))
    renumbered = np.where(inputs["aparam"] > 0, 40 - inputs["aparam"], inputs["aparam"])
    expected = evaluate(model, inputs)
    found = evaluate(model, of_atoms({**inputs, "aparam": renumbered}, order))
    for key in ("energy", "virial"):
        np.testing.assert_allclose(found[key], expected[key], rtol=0, atol=1e-12)
    for key in ("atom_energy", "force", "atom_virial"):
        np.testing.assert_allclose(found[key], expected[key][:, order], rtol=0, atol=1e-12)


def test_frames_may_be_turned_and_moved(model):
    inputs = frames()
    turn, _ = np.linalg.qr(np.random.default_rng(4).normal(size=(3, 3)))
    expected = evaluate(model, inputs)
    found = evaluate(model, {**inputs, "coord": inputs["coord"] @ turn.T + [9.0, -3.0, 40.0]})
    np.testing.assert_allclose(found["energy"], expected["energy"], rtol=0, atol=1e-11)
    np.testing.assert_allclose(found["force"], expected["force"] @ turn.T, rtol=0, atol=1e-11)


def test_a_batch_gives_what_its_frames_give(model):
    inputs = frames()
    whole = evaluate(model, inputs)
    for frame in range(2):
        alone = evaluate(model, {k: v[frame : frame + 1] for k, v in inputs.items()})
        for key, value in alone.items():
            np.testing.assert_allclose(whole[key][frame], value[0], rtol=0, atol=1e-12)


def test_single_precision(config, model):
    low, inputs = build_model(config, interface_dtype="float32"), frames()
    low.set_arrays(model.get_arrays())
    largest = np.where(inputs["aparam"] == 31, 2.0**24, inputs["aparam"])
    found = evaluate(low, {**inputs, "aparam": largest.astype(np.float32)})
    for key, value in evaluate(model, inputs).items():
        np.testing.assert_allclose(found[key], value, rtol=0, atol=1e-4, err_msg=key)
    assert found["force"].dtype == np.float32 and found["energy"].dtype == np.float64


def test_what_is_left_out_has_no_energy(model):
    """Atoms of no residue, virtual atoms, and a frame without MM atoms."""
    inputs = frames(1)
    qm = np.flatnonzero(RESIDUES == 0)
    alone = evaluate(model, of_atoms(inputs, qm))
    without = np.where(inputs["aparam"] > 0, -1.0, inputs["aparam"])
    virtual = np.where(RESIDUES > 0, -1, inputs["atype"])
    for change in ({"aparam": without}, {"atype": virtual}):
        found = evaluate(model, {**inputs, **change})
        np.testing.assert_allclose(found["energy"], alone["energy"], rtol=0, atol=1e-12)
        np.testing.assert_allclose(found["force"][:, qm], alone["force"], rtol=0, atol=1e-12)
        assert not found["atom_energy"][:, RESIDUES > 0].any()


def test_without_qm_atoms_residues_have_no_energy(model):
    """As MM atoms alone have no neighbors and an energy of zero."""
    inputs = frames(1)
    found = evaluate(model, of_atoms(inputs, np.flatnonzero(RESIDUES > 0)))
    for value in found.values():
        np.testing.assert_allclose(value, 0.0, atol=1e-12)


def test_local_atoms_see_ghosts(model):
    """Two halves of a frame, the other half of each being ghosts."""
    inputs, order = frames(1), np.arange(len(RESIDUES))
    expected, total, force = evaluate(model, inputs), 0.0, np.zeros((1, len(order), 3))
    for half in (order < 4, order >= 4):
        moved = np.concatenate([order[half], order[~half]])
        natoms = tf.constant([half.sum(), len(order), 0, 0, 0, 0], tf.int32)
        found = evaluate(model, {**of_atoms(inputs, moved), "natoms": natoms})
        np.testing.assert_allclose(
            found["atom_energy"], expected["atom_energy"][:, half], rtol=0, atol=1e-12
        )
        total += found["energy"]
        force[:, moved] += found["force"]
    np.testing.assert_allclose(total, expected["energy"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(force, expected["force"], rtol=0, atol=1e-12)


def test_both_models_are_trained_from_what_a_pipeline_prepares(model):
    inputs = frames()
    prepared = model.prepare({name: tf.constant(array) for name, array in inputs.items()})
    with tf.GradientTape() as tape:
        force = model(prepared, with_descriptor=False)["force"]
        loss = tf.reduce_sum(force**2)
    np.testing.assert_allclose(force, evaluate(model, inputs)["force"], rtol=0, atol=1e-12)
    weights = model.trainable_weights
    gradients = zip(weights, tape.gradient(loss, weights), strict=True)
    idle = [weight.path for weight, gradient in gradients if not np.any(gradient)]
    # But for the biases of the outputs.
    assert len(idle) == 2 and all("bias" in name for name in idle)
    assert len(weights) == len({id(weight) for weight in weights})
    assert sum("type_embed" in name for name in model.named_variables()) == 1
