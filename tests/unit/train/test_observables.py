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
