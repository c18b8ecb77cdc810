"""Mean and spread of observables by type."""

import numpy as np
import pytest

from deepattn.config.observable import Observable
from deepattn.statistics.output import output_statistics

ATYPE = np.array([[0, 0, 1, -1], [0, 1, 1, 1], [0, 0, 0, 1]], np.int32)
COUNTS = np.array([[2, 1], [1, 3], [3, 1]], float)
MEAN = np.array([[1.0, -2.0], [0.5, 4.0]])


def _batch(observable, *, frames=None, atoms=None):
    shape = (*ATYPE.shape, observable.width)
    return {"atype": ATYPE}, {
        observable.name: np.zeros((3, observable.width)) if frames is None else frames,
        f"find_{observable.name}": np.full(3, float(frames is not None)),
        observable.atomic_name: np.zeros(shape) if atoms is None else atoms,
        f"find_{observable.atomic_name}": np.full(3, float(atoms is not None)),
    }


@pytest.mark.parametrize("intensive", [False, True])
def test_labels_of_frames_tell_the_types_apart(intensive):
    observable = Observable("dos", 2, intensive)
    weights = COUNTS / COUNTS.sum(axis=1, keepdims=True) if intensive else COUNTS
    found = output_statistics([_batch(observable, frames=weights @ MEAN)], observable, 2)
    np.testing.assert_allclose(found.mean, MEAN, rtol=1e-12)
    # Nothing is left of the labels: their spread is no unit.
    np.testing.assert_array_equal(found.spread, np.ones((2, 2)))


def test_types_that_do_not_contribute_explain_nothing():
    observable = Observable("dipole", 2, types=(0,))
    frames = COUNTS[:, :1] * MEAN[:1]
    found = output_statistics([_batch(observable, frames=frames)], observable, 2)
    np.testing.assert_allclose(found.mean, [MEAN[0], [0, 0]], rtol=1e-12)


def test_the_spread_is_that_of_what_the_types_do_not_explain():
    observable = Observable("dos", 2)
    frames = COUNTS @ MEAN + np.array([[1.0, 0], [0, -1.0], [0.5, 2.0]])
    found = output_statistics([_batch(observable, frames=frames)], observable, 2)
    left = (frames - COUNTS @ found.mean).std(axis=0)
    np.testing.assert_allclose(found.spread, np.tile(left, (2, 1)), rtol=1e-12)


@pytest.mark.parametrize("intensive", [False, True])
def test_types_may_share_a_mean(intensive):
    observable, frames = Observable("gap", 1, intensive), np.array([[4.0], [8.0], [6.0]])
    each = frames if intensive else frames / COUNTS.sum(axis=1, keepdims=True)
    found = output_statistics(
        [_batch(observable, frames=frames)], observable, 2, distinguish_types=False
    )
    np.testing.assert_allclose(found.mean, np.full((2, 1), each.mean()), rtol=1e-12)
    np.testing.assert_allclose(found.spread, np.full((2, 1), each.std()), rtol=1e-12)


def test_labels_of_atoms_win_where_there_are_some():
    observable = Observable("polarizability", 2)
    atoms = np.arange(24.0).reshape(3, 4, 2)
    batches = [_batch(observable, atoms=atoms), _batch(observable, frames=COUNTS @ MEAN)]
    found = output_statistics(batches, observable, 2)
    for kind in (0, 1):
        chosen = atoms[ATYPE == kind]
        np.testing.assert_allclose(found.mean[kind], chosen.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(found.spread[kind], chosen.std(axis=0), rtol=1e-12)


def test_without_labels_nothing_is_shifted_or_scaled():
    observable = Observable("dos", 2)
    found = output_statistics([_batch(observable)], observable, 2)
    np.testing.assert_array_equal(found.mean, np.zeros((2, 2)))
    np.testing.assert_array_equal(found.spread, np.ones((2, 2)))
