"""Cutting empty neighbor slots off changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from deepattn.descriptors.se_atten import layer as se_atten
from deepattn.layers.packing import PackedNeighbors
from deepattn.models import EnergyModel

from .options import OPTIONS, Option, make_model

# In open boundaries atoms have from none to seven neighbors; one atom is virtual.
ATYPE = np.array([[0, 1, 2, 1, 0, 2, 1, 0, 0], [2, 2, 1, 0, 1, -1, 0, 1, 2]], np.int32)
ATTENTION = [name for name in OPTIONS if not name.startswith(("se_e", "se_a_", "hybrid"))]
# Where empty slots have no part in the formula either.
BLIND = ["concat", "concat_mask", "concat_one_side", "concat_exclude", "strip", "gelu", "atom_ener"]


def all_slots(environment, nnei: int) -> PackedNeighbors:
    """Result of `pack` for a neighborhood without truncation."""
    mask = tf.reshape(environment.nmask, [-1, nnei])
    return PackedNeighbors(
        tf.reshape(environment.descrpt, [-1, nnei, 4]),
        tf.reshape(environment.rij, [-1, nnei, 3]),
        tf.reshape(environment.ntype, [-1, nnei]),
        mask,
        tf.reduce_sum(tf.cast(mask, tf.int32), axis=1),
        tf.constant(0),
    )


def evaluate(model: EnergyModel, option: Option) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    coord = 1.5 * np.indices((2, 2, 2)).reshape(3, -1).T + rng.normal(scale=0.1, size=(2, 8, 3))
    isolated = np.full((2, 1, 3), 50.0)
    inputs = {
        "coord": np.concatenate([coord, isolated], axis=1),
        "atype": ATYPE,
        "box": np.zeros((2, 9)),
    }
    for key, value in option.parameters.items():
        rows = (2,) if key == "fparam" else ATYPE.shape
        inputs[key] = np.broadcast_to(value, (*rows, len(value)))
    outputs = model(inputs)
    return {key: np.asarray(outputs[key]) for key in ("atom_energy", "force", "virial")}


def assert_equal(name: str, one: dict, other: dict) -> None:
    for key, value in one.items():
        scale = 1e-5 if name == "float32" else 1e-12
        tolerance = scale * max(1.0, abs(value).max())
        np.testing.assert_allclose(other[key], value, rtol=0, atol=tolerance, err_msg=key)


@pytest.mark.parametrize("name", ATTENTION)
def test_cut_slots_count_as_if_they_were_there(name: str, monkeypatch) -> None:
    option = OPTIONS[name]
    model = make_model(option)
    packed = evaluate(model, option)
    monkeypatch.setattr(se_atten, "pack", all_slots)
    unpacked = evaluate(model, option)
    assert abs(unpacked["force"]).max() > 1e-3
    assert_equal(name, unpacked, packed)


@pytest.mark.parametrize("name", BLIND)
def test_results_do_not_depend_on_sel(name: str) -> None:
    """Seven slots are all filled, of 90 few are."""
    option = OPTIONS[name]
    results = []
    for sel in (7, 8, 90):
        model = make_model(option, sel=sel)
        model.descriptor.original_sel.assign([60])
        results.append(evaluate(model, option))
    for other in results[1:]:
        assert_equal(name, results[0], other)
