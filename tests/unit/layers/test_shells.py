"""The search of ghosts that messages come from, against all pairs of atoms."""

import numpy as np
import pytest
import tensorflow as tf

from deepattn.formats.mesh import MESH_HEAD
from deepattn.layers.shells import listed_neighbors, message_shells

RCUT, MESSAGES = 3.0, (2.0, 1.5)
MARGIN = 1e-3  # within which a neighbor may or may not be taken


def scattered(natoms, *, stretch=1.0, seed=0):
    """Coordinates of atoms below and above zero, and their types, two of them virtual."""
    rng = np.random.default_rng(seed)
    coord = rng.uniform(-7.0, 5.0, (natoms, 3)) * [1.0, stretch, 1.0]
    atype = rng.integers(0, 2, natoms).astype(np.int32)
    atype[[1, natoms // 2]] = -1
    return coord, atype


def distances(coord, atype):
    """Between all pairs of real atoms; infinite for others, and of an atom to itself."""
    found = np.linalg.norm(coord[:, None] - coord, axis=-1)
    found[np.diag_indices(len(coord))] = np.inf
    found[atype < 0] = found[:, atype < 0] = np.inf
    return found


@pytest.mark.parametrize(
    ("natoms", "nloc", "stretch"), [(150, 12, 1.0), (40, 40, 1.0), (30, 4, 1e4)]
)
def test_shells(natoms, nloc, stretch):
    coord, atype = scattered(natoms, stretch=stretch)
    between = distances(coord, atype)
    expected = [set(range(nloc))]
    for cutoff in MESSAGES:
        near = {j for i in expected[-1] for j in np.flatnonzero(between[i] <= cutoff + MARGIN)}
        expected.append(expected[-1] | near)
    found = message_shells(
        *(tf.constant(coord), tf.constant(atype), tf.constant(nloc)),
        rcut=RCUT,
        message_cutoffs=MESSAGES,
    )
    order = found.order.numpy()
    assert sorted(order) == list(range(natoms))
    assert order[:nloc].tolist() == list(range(nloc))
    assert [set(order[:size]) for size in found.sizes] == expected
    if natoms > 100:
        assert nloc < found.sizes[1] < found.sizes[2] < natoms
    # The list names places in the new order.
    rows = found.sizes[-1].numpy()
    mesh = found.mesh.numpy()[MESH_HEAD:]
    assert mesh[:rows].tolist() == list(range(rows))
    lists = np.split(mesh[2 * rows :], np.cumsum(mesh[rows : 2 * rows])[:-1])
    for center, neighbors in zip(order, lists, strict=False):
        assert set(order[neighbors]) == set(np.flatnonzero(between[center] <= RCUT + MARGIN))
    assert found.counts.numpy().tolist() == (between[:nloc] <= RCUT).sum(axis=1).tolist()


def test_lists_are_counted_within_the_cutoff():
    coord, atype = scattered(60)
    between = distances(coord, atype)
    nloc, rng = 9, np.random.default_rng(1)
    nlist = np.full((nloc, 70), -1, np.int32)
    for i, row in enumerate(nlist):
        # Virtual atoms and those of the skin too.
        [near] = np.nonzero((between[i] <= RCUT + 1.0) | (atype < 0) & (np.arange(60) != i))
        row[rng.choice(70, len(near), replace=False)] = near
    count = listed_neighbors(tf.constant(coord), tf.constant(atype), nlist, rcut=RCUT)
    assert count.numpy().tolist() == (between[:nloc] <= RCUT).sum(axis=1).tolist()
    assert count.numpy().max() > 3


def test_no_atoms():
    coord, atype = tf.zeros([0, 3], tf.float64), tf.zeros([0], tf.int32)
    found = message_shells(coord, atype, tf.constant(0), rcut=RCUT, message_cutoffs=MESSAGES)
    assert found.sizes.numpy().tolist() == [0, 0, 0]
    assert found.mesh.shape == (MESH_HEAD,)
    assert found.order.shape == found.counts.shape == (0,)
