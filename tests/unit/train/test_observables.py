"""Trainings of models of observables."""

import numpy as np
import pytest

from . import toy

POLAR = {
    "model": {"fitting_net": {"type": "polar", "neuron": [4], "sel_type": [0]}},
    "loss": {"type": "tensor", "pref": 1.0, "pref_atomic": 0.5},
}
GAP = {
    "model": {"fitting_net": {"type": "property", "property_name": "gap", "neuron": [4]}},
    "loss": {"type": "property"},
}


@pytest.fixture(scope="module")
def observed(tmp_path_factory):
    """A system with labels of a polarizability and of a property."""
    folder = tmp_path_factory.mktemp("observed") / "a"
    path, types = toy.write_system(folder, [1, 0, 1, 0, 1, 1], 5), np.array([1, 0, 1, 0, 1, 1])
    rng = np.random.default_rng(3)
    share = rng.normal(size=(5, 6, 3, 3))
    share = (share + share.swapaxes(2, 3)) * (types == 0)[:, None, None]
    np.save(folder / "set.000" / "polarizability.npy", share.sum(axis=1).reshape(5, 9))
    np.save(folder / "set.000" / "atomic_polarizability.npy", share.reshape(5, -1))
    np.save(folder / "set.000" / "gap.npy", rng.normal(size=(5, 1)))
    return [path]


@pytest.mark.parametrize("kind", [POLAR, GAP], ids=["polar", "property"])
def test_a_restarted_run_is_the_same_run(here, observed, kind):
    options = {"valid": observed, "numb_steps": 6, "disp_freq": 2, "save_freq": 3, **kind}
    toy.run(here, observed, **options)
    (here / "model.ckpt-6.h5").rename(here / "whole.h5")
    (here / "lcurve.out").rename(here / "whole.out")
    whole = (here / "whole.out").read_text()
    toy.run(here, observed, start={"restart": "model.ckpt-3.h5"}, **options)
    toy.assert_equal_checkpoints("whole.h5", "model.ckpt-6.h5")
    later = [line for line in (here / "lcurve.out").read_text().splitlines() if line[0] != "#"]
    assert later and whole.splitlines()[-len(later) :] == later


def test_a_property_from_a_model_of_energies(here, observed):
    """With a new fitting net, whose statistics are those of the labels; the rest is taken over."""
    start = toy.run(here, observed, numb_steps=1, model={"convention": "common"}).model.get_arrays()
    (here / "model.ckpt-1.h5").rename(here / "energies.h5")
    trainer = toy.run(
        here,
        observed,
        start={"finetune": "energies.h5", "model_branch": "RANDOM"},
        numb_steps=0,
        **GAP,
    )
    found = trainer.model.get_arrays()
    own = {name for name in found if name not in start}
    assert {"fitting_attr/own/property_mean", "fitting_attr/own/property_std"} <= own
    assert found["fitting_attr/own/property_mean"].all()
    for name, array in start.items():
        if name.startswith(("filter_type", "type_embed_net", "descrpt_attr")):
            np.testing.assert_array_equal(found[name], array, err_msg=name)
