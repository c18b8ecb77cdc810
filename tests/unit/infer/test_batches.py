import numpy as np
import pytest

from deepattn.errors import DataError
from deepattn.infer.batches import atoms_per_batch, make_batches
from deepattn.infer.feeds import make_feed
from deepattn.infer.frames import Frames

ATYPE = np.array([[1, 0, 1], [0, 1, 1], [0, -1, 1], [-1, -1, -1], [0, 0, 1]], np.int32)


def some_frames(box=None):
    coord = np.arange(45.0).reshape(5, 3, 3)
    return Frames(coord, box, ATYPE, None, np.arange(15.0).reshape(5, 3, 1))


@pytest.mark.parametrize("uniform", [True, False])
@pytest.mark.parametrize("numb_atoms", [None, 1, 6, 100])
def test_every_real_atom_comes_back_to_its_place(uniform, numb_atoms):
    out = np.full((5, 3, 3), -1.0)
    for batch in make_batches(some_frames(), numb_atoms, uniform=uniform):
        assert (np.diff(batch.atype, axis=1) >= 0).all()
        assert (batch.atype >= 0).all()
        assert batch.is_uniform or not uniform
        assert len(batch.frames) == 1 or batch.atype.size <= (numb_atoms or 99)
        np.testing.assert_array_equal(batch.aparam[:, :, 0] * 3, batch.coord[:, :, 0])
        batch.scatter(batch.coord, out)
    expected = np.where(ATYPE[:, :, None] >= 0, some_frames().coord, -1.0)
    np.testing.assert_array_equal(out, expected)


def test_as_few_batches_as_possible():
    groups = [b.frames.tolist() for b in make_batches(some_frames(), None, uniform=False)]
    assert groups == [[2], [0, 1, 4]]
    groups = [b.frames.tolist() for b in make_batches(some_frames(), None, uniform=True)]
    assert sorted(groups) == [[0, 1], [2], [4]]


@pytest.mark.parametrize("numb_atoms", [None, 1])
def test_frames_as_they_are(numb_atoms):
    """Where it matters which atom is the first, it stays so, even if it is virtual."""
    found = {}
    for batch in make_batches(some_frames(), numb_atoms, uniform=False, as_they_are=True):
        assert make_feed(batch, 2).natoms[0] == 3
        for frame, types, coord in zip(batch.frames, batch.atype, batch.coord, strict=True):
            np.testing.assert_array_equal(coord, some_frames().coord[frame])
            found[int(frame)] = types.tolist()
    assert found == {k: ATYPE[k].tolist() for k in (0, 1, 2, 4)}


def test_the_length_of_the_mesh_says_what_is_periodic():
    box = np.tile(np.eye(3).ravel() * 9, (5, 1))
    expected = {
        (False, True): {0},
        (False, False): {0, 1},
        (True, True): {6},
        (True, False): {6, 7},
    }
    for (periodic, uniform), lengths in expected.items():
        frames = some_frames(box if periodic else None)
        batches = make_batches(frames, None, uniform=uniform)
        assert {len(make_feed(batch, 2).mesh) for batch in batches} == lengths


def test_counts_of_types():
    (batch, *_) = make_batches(some_frames(), None, uniform=True)
    feed = make_feed(batch, 4)
    counts = np.bincount(batch.atype[0], minlength=4)
    assert feed.natoms.tolist() == [batch.atype.shape[1]] * 2 + counts.tolist()


def test_how_many_atoms_at_once(monkeypatch):
    monkeypatch.delenv("DP_INFER_BATCH_SIZE", raising=False)
    assert atoms_per_batch(True) == 1024
    assert atoms_per_batch(False) is None
    assert atoms_per_batch(7) == 7
    monkeypatch.setenv("DP_INFER_BATCH_SIZE", "33")
    assert atoms_per_batch(True) == 33
    monkeypatch.setenv("DP_INFER_BATCH_SIZE", "many")
    with pytest.raises(DataError, match="DP_INFER_BATCH_SIZE must be a positive number"):
        atoms_per_batch(True)
    with pytest.raises(ValueError, match="not 0"):
        atoms_per_batch(0)
