"""Parts of frames: the QM atoms, and they with each residue."""

import numpy as np
import pytest
import tensorflow as tf

from deepattn.formats.mesh import MESH_HEAD
from deepattn.pairwise.fragments import of_frames, qm_fragments, residue_fragments, residues

# That of DeePMD-kit's test of its operation; the last two atoms are ghosts.
RESIDUE, NLOC = [1, 1, 1, 0, 0, 2, 2, 2, 3, 3, 0, 1], 10


def parts_of(fragments):
    """The atoms of each part, from the neighbor list of its local atoms; and all atoms."""
    atoms, nloc, mesh = (np.asarray(array) for array in fragments)
    rows = mesh[MESH_HEAD : MESH_HEAD + nloc]
    counts = mesh[MESH_HEAD + nloc : MESH_HEAD + 2 * nloc]
    entries = mesh[MESH_HEAD + 2 * nloc :]
    assert not mesh[:MESH_HEAD].any() and (rows == np.arange(nloc)).all()
    assert len(entries) == counts.sum()
    lists = np.split(entries, np.cumsum(counts)[:-1]) if nloc else []
    found = {tuple(sorted({k, *entry})) for k, entry in enumerate(lists)}
    assert all(k not in entry and len(set(entry)) == len(entry) for k, entry in enumerate(lists))
    return sorted(sorted(atoms[list(part)].tolist()) for part in found), atoms


def test_the_parts_of_a_frame_with_ghosts():
    qm, atoms = parts_of(qm_fragments(tf.constant([RESIDUE]), NLOC))
    assert qm == [[3, 4, 10]] and atoms.tolist() == [3, 4, 10]
    pairs, atoms = parts_of(residue_fragments(tf.constant([RESIDUE]), NLOC))
    assert pairs == [[0, 1, 2, 3, 4, 10, 11], [3, 4, 5, 6, 7, 10], [3, 4, 8, 9, 10]]
    local = atoms < NLOC
    assert local.sum() == 14 and local[:14].all()


def test_frames_have_parts_of_their_own():
    numbers = tf.constant([[0, -1, 0, 5, 5], [3, 0, 5, -1, 3]])
    assert parts_of(qm_fragments(numbers, 5))[0] == [[0, 2], [6]]
    assert parts_of(residue_fragments(numbers, 5))[0] == [[0, 2, 3, 4], [5, 6, 9], [6, 7]]


@pytest.mark.parametrize("numbers", [[0, 0], [-1, -1], []])
def test_there_may_be_no_residues(numbers):
    fragments = residue_fragments(tf.constant([numbers], tf.int32), len(numbers))
    assert len(fragments.atoms) == 0 and len(fragments.mesh) == MESH_HEAD


def test_there_may_be_no_qm_atoms():
    numbers = tf.constant([[4, 4, 1]])
    assert len(qm_fragments(numbers, 3).atoms) == 0
    assert parts_of(residue_fragments(numbers, 3))[0] == [[0, 1], [2]]


def test_a_part_of_ghosts_alone_is_left_out():
    fragments = residue_fragments(tf.constant([[1, 2, 2]]), 1)
    assert fragments.atoms.numpy().tolist() == [0]


def test_virtual_atoms_are_of_no_residue():
    found = residues(tf.constant([[[0.0], [2.0], [0.0]]]), tf.constant([[1, 0, -1]]))
    assert found.numpy().tolist() == [[0, 2, -1]]


def test_sums_are_put_where_atoms_are():
    whole = {"atype": tf.zeros([2, 3], tf.int32), "nloc": 2}
    atoms = tf.constant([4, 0, 4, 5])
    vectors = tf.reshape(tf.range(36.0), [1, 4, 9])
    given = {
        "atom_energy": tf.constant([[1.0, 2.0, 4.0]]),
        "force": vectors[:, :, :3],
        "atom_virial": vectors,
    }
    found = of_frames(given, atoms, whole)
    np.testing.assert_array_equal(found["atom_energy"], [[2.0, 0.0], [0.0, 5.0]])
    np.testing.assert_array_equal(found["energy"], [2.0, 5.0])
    np.testing.assert_array_equal(found["force"][1], [[0, 0, 0], [18, 20, 22], [27, 28, 29]])
    np.testing.assert_array_equal(found["virial"][1], np.sum(vectors.numpy()[0, [0, 2, 3]], axis=0))
