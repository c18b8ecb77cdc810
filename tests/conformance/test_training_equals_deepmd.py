"""From the same frozen model, steps of ours and of DeePMD-kit 3.2.0 are the same steps."""

import json

import numpy as np
import pytest
import tensorflow as tf

from deepattn.formats.frozen import read_frozen
from deepattn.train import train

from .deepmd_kit import DP320, run_dp
from .systems import TYPE_MAP
from .twelve_atoms import NATOMS, training_input, write_twelve_atoms

pytestmark = [pytest.mark.conformance, pytest.mark.slow]

STEPS = 50
DESCRIPTORS = {
    "se_atten": {
        "type": "se_atten",
        "sel": 40,
        "attn": 6,
        "attn_layer": 2,
        "set_davg_zero": False,
        "resnet_dt": False,
    },
    "se_atten_v2": {"type": "se_atten_v2", "sel": 40, "attn": 6, "attn_layer": 1},
    "se_e2_a": {"type": "se_e2_a", "sel": [14, 20, 14], "resnet_dt": False},
    "se_a_ebd_v2": {"type": "se_a_ebd_v2", "sel": [14, 20, 14]},
    "hybrid": {
        "type": "hybrid",
        "list": [
            {"type": "se_e2_a", "sel": [8, 12, 8], "rcut": 3.1},
            {"type": "se_e2_r", "sel": [14, 20, 14]},
            {"type": "se_e3", "sel": [8, 12, 8], "rcut": 3.3},
        ],
    },
}
TYPED = ("se_atten", "se_atten_v2", "se_a_ebd_v2")
WITHOUT_AXIS = ("se_e2_r", "se_e3")
# The environment matrix, the nets and the optimizer are those of the others.
FEWER_STEPS = {"se_a_ebd_v2": 20, "hybrid": 20}
LOSSES = {
    "energy_force": {},
    "energy_force_virial": {"start_pref_v": 0.1, "limit_pref_v": 1.0},
    "huber": {"use_huber": True, "huber_delta": [0.1, 0.05, 0.2], "start_pref_v": 0.1},
    "relative_intensive_atomic": {
        "relative_f": 0.5,
        "intensive_ener_virial": True,
        "start_pref_ae": 0.2,
        "limit_pref_ae": 0.1,
        "start_pref_pf": 10,
        "limit_pref_pf": 1,
    },
}
# Every loss for one descriptor, that of all labels for the others.
CASES = [("se_atten", loss) for loss in LOSSES]
# Nets of some descriptors; the second of three layers is the third one too.
NETS = {"hybrid": {"neuron": [12, 12, 12], "layer_name": ["first", "other", "other", "last"]}}
CASES += [
    (descriptor, "energy_force_virial") for descriptor in DESCRIPTORS if descriptor != "se_atten"
]


def _complete(section):
    if "list" in section:
        return {**section, "list": [_complete(part) for part in section["list"]]}
    shared = {"rcut": 4.0, "rcut_smth": 0.6, "neuron": [4, 8, 16], "seed": 11}
    if section["type"] not in WITHOUT_AXIS:
        shared["axis_neuron"] = 4
    return {**shared, **section}


def _input(descriptor, loss, system, steps):
    model = {
        "type_map": TYPE_MAP,
        "descriptor": _complete(DESCRIPTORS[descriptor]),
        "fitting_net": {"neuron": [12, 12], "seed": 5, **NETS.get(descriptor, {})},
    }
    if descriptor in TYPED:
        model["type_embedding"] = {"neuron": [4], "seed": 9}
    return training_input(model, LOSSES[loss], system, steps)


def _labels(rng):
    return {
        "energy": np.array(-3.1 * NATOMS),
        "force": rng.normal(size=(NATOMS, 3)),
        "virial": rng.normal(size=(3, 3)),
        "atom_ener": rng.normal(size=NATOMS) - 3.1,
        "atom_pref": rng.uniform(0.5, 2.0, NATOMS),
    }


@pytest.fixture(scope="module")
def starts(tmp_path_factory):
    """A system, and by descriptor a model that DeePMD-kit trained on it for one step and froze."""
    DP320.require()
    folder = tmp_path_factory.mktemp("starts")
    system = write_twelve_atoms(folder / "system", _labels)
    models = {}

    def make(descriptor):
        if descriptor not in models:
            work = folder / descriptor
            work.mkdir()
            script = _input(descriptor, "energy_force", system, 1)
            # DeePMD-kit's graph of a force loss takes longer to build than all else together.
            script["loss"] = {"start_pref_f": 0, "limit_pref_f": 0}
            (work / "input.json").write_text(json.dumps(script))
            run_dp(DP320, ["train", "input.json"], work)
            run_dp(DP320, ["freeze", "-o", "start.pb"], work)
            models[descriptor] = work / "start.pb"
        return models[descriptor]

    return system, make


@pytest.mark.parametrize(("descriptor", "loss"), CASES, ids=["-".join(case) for case in CASES])
def test_steps_are_the_same(starts, tmp_path, monkeypatch, descriptor, loss):
    system, make = starts
    steps = FEWER_STEPS.get(descriptor, STEPS)
    start = make(descriptor)
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    for folder in (theirs, ours):
        folder.mkdir()
        text = json.dumps(_input(descriptor, loss, system, steps))
        (folder / "input.json").write_text(text)
    run_dp(DP320, ["train", "input.json", "--init-frz-model", start], theirs)
    monkeypatch.chdir(ours)
    trainer = train("input.json", init_frz_model=start)

    expected = (theirs / "lcurve.out").read_text().splitlines()
    assert len(expected) == steps + 3
    assert (ours / "lcurve.out").read_text().splitlines() == expected

    arrays = trainer.model.get_arrays()
    # The checkpoint itself: freezing builds the graph of the training once more.
    checkpoint = tf.train.load_checkpoint(str(theirs))
    weights = {name: checkpoint.get_tensor(name) for name in checkpoint.get_variable_to_shape_map()}
    before = read_frozen(start).weights
    moved = 0
    for name, array in arrays.items():
        if name not in weights:
            assert name.endswith("/original_sel"), name
            continue
        # Relative to the largest element: single ones may pass through zero.
        scale = np.abs(weights[name]).max()
        np.testing.assert_allclose(array, weights[name], rtol=1e-6, atol=1e-6 * scale, err_msg=name)
        moved += not np.allclose(weights[name], before[name], rtol=1e-4, atol=0)
    assert moved > 10
