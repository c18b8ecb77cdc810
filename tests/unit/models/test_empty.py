"""Nothing at all: no atoms, no frames, no neighbors, no slots for a type."""

import contextlib

import numpy as np
import pytest
import tensorflow as tf
from small_models import HYBRID, dpa2, small_batch, small_model

from deepattn import ops
from deepattn.statistics.env_mat import EnvMatShape, environment_matrix

OUTPUTS = ("energy", "atom_energy", "force", "virial", "atom_virial")
DESCRIPTORS = {
    "two-body": {"type": "se_e2_a"},
    "no slots": {"type": "se_e2_a", "sel": [0, 6], "type_one_side": True},
    "distances": {"type": "se_e2_r", "sel": [0, 6]},
    "three-body": {"type": "se_e3", "sel": [0, 6]},
    "three-body with types": {"type": "se_e3_tebd"},
    "hybrid": HYBRID,
    "attention": {"type": "se_atten"},
    "strip": {"type": "se_atten_v2", "attn_layer": 0},
    "messages": dpa2(),
}


@pytest.mark.parametrize("plain", [False, True], ids=["compiled", "plain"])
@pytest.mark.parametrize("kind", DESCRIPTORS)
def test_no_atoms_no_frames_no_neighbors(kind, plain):
    model = small_model(DESCRIPTORS[kind], {"numb_fparam": 1, "numb_aparam": 2})
    for nframes, natoms in ((2, 0), (0, 5), (0, 0), (1, 3)):
        inputs, _ = small_batch(max(nframes, 1), 8)
        inputs = {key: array[:nframes] for key, array in inputs.items()}
        # Far from each other.
        inputs = {**inputs, "coord": 50 * inputs["coord"], "box": 50 * inputs["box"]}
        inputs |= {key: inputs[key][:, :natoms] for key in ("coord", "atype")}
        inputs |= {"fparam": np.ones((nframes, 1)), "aparam": np.ones((nframes, natoms, 2))}
        with ops.plain() if plain else contextlib.nullcontext():
            outputs = model(inputs)
        assert outputs["energy"].shape == (nframes,)
        assert outputs["atom_energy"].shape == (nframes, natoms)
        assert outputs["force"].shape == (nframes, natoms, 3)
        assert outputs["virial"].shape == (nframes, 9)
        assert outputs["atom_virial"].shape == (nframes, natoms, 9)
        for key in OUTPUTS:
            assert np.isfinite(outputs[key]).all()
        assert not np.any(outputs["force"])


@pytest.mark.parametrize("one_side", [False, True])
@pytest.mark.parametrize("exclude", [[], [[0, 1]]])
@pytest.mark.parametrize("embedding", [False, True])
def test_slots_that_stay_empty_change_nothing(one_side, exclude, embedding):
    """Of atoms of one type, slots for the other are padding, or are not there at all."""
    extra = {"type_embedding": {"neuron": [4], "seed": 3}} if embedding else {}
    inputs, labels = small_batch(2, 8)
    inputs["atype"][:] = 1
    found = {}
    for sel in ([0, 24], [7, 24]):
        options = {"sel": sel, "type_one_side": one_side, "exclude_types": exclude}
        model = small_model({"type": "se_e2_a", **options}, **extra)
        if found:
            model.descriptor.original_sel.assign([0, 24])
        with tf.GradientTape() as tape:
            outputs = model(inputs)
            loss = tf.reduce_sum((outputs["force"] - labels["force"]) ** 2)
            loss += tf.reduce_sum((outputs["energy"] - labels["energy"]) ** 2)
        # Weights of no use have gradients of zero, so that a step of a training leaves them.
        gradients = tape.gradient(loss, model.trainable_weights)
        assert all(gradient is not None for gradient in gradients)
        found[tuple(sel)] = [outputs[key] for key in OUTPUTS] + gradients
    for ours, theirs in zip(*found.values(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)
    assert np.abs(found[(0, 24)][2]).max() > 1e-6


def test_statistics_of_no_frames():
    inputs, _ = small_batch(1, 4)
    shape = EnvMatShape(ntypes=2, rcut=3.0, rcut_smth=0.5, sel=(0, 6), mixed_types=False)
    rows = environment_matrix({key: array[:0] for key, array in inputs.items()}, shape)
    assert rows.shape == (0, 4, 6, 4)
