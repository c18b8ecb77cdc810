"""Neighbor statistics: distances, counts, overlaps, too small a sel."""

import logging
from pathlib import Path

import numpy as np
import pytest

from deepattn.data import System
from deepattn.errors import DataError
from deepattn.statistics.neighbors import neighbor_statistics, shortest_distance

from .brute_force import neighbors


def _system(folder, coord, types, *, box=None, real=None):
    folder = Path(folder)
    (folder / "set.000").mkdir(parents=True)
    (folder / "type.raw").write_text(" ".join(map(str, types)))
    (folder / "type_map.raw").write_text("O H")
    coord = np.asarray(coord, float)
    np.save(folder / "set.000" / "coord.npy", coord.reshape(len(coord), -1))
    if box is None:
        (folder / "nopbc").touch()
    else:
        np.save(folder / "set.000" / "box.npy", np.tile(np.ravel(box), (len(coord), 1)))
    if real is not None:
        np.save(folder / "set.000" / "real_atom_types.npy", np.tile(real, (len(coord), 1)))
    return System(folder)


@pytest.mark.parametrize("mixed_types", [True, False])
@pytest.mark.parametrize("periodic", [True, False])
def test_all_frames_of_all_systems(tmp_path, caplog, mixed_types, periodic):
    random = np.random.default_rng(0)
    box = np.array([[5.0, 0, 0], [1, 4.5, 0], [0.5, -0.7, 5.5]]) if periodic else None
    systems = [
        _system(tmp_path / name, random.uniform(0, 5, (4, len(types), 3)), types, box=box)
        for name, types in {"a": [0, 1, 1, 0, 1], "b": [1, 0, 0]}.items()
    ]
    rcut = 4.5
    nearest, counts = [], []
    for system in systems:
        inputs, _ = system.frames(range(4))
        for frame in zip(inputs["coord"], inputs["atype"], inputs["box"], strict=True):
            for near in neighbors(*frame, rcut):
                nearest += [distance for distance, _, _ in near[:1]]
                counts.append([sum(kind == t for _, _, kind in near) for t in (0, 1)])
    counts = np.array(counts)
    expected = (counts.sum(axis=1, keepdims=True) if mixed_types else counts).max(axis=0).tolist()
    with caplog.at_level(logging.INFO):
        got = neighbor_statistics(systems, rcut=rcut, ntypes=2, mixed_types=mixed_types)
    np.testing.assert_allclose(got.min_nbor_dist, min(nearest), rtol=1e-12)
    assert got.max_nbor_size == expected
    assert f"minimal neighbor distance: {min(nearest):f}" in caplog.text
    assert f"maximum neighbor size: {expected} (cutoff radius: 4.500000)" in caplog.text


@pytest.mark.parametrize("image", [0, 1, -2])
def test_overlapping_atoms_are_named(tmp_path, image):
    coord = np.random.default_rng(1).uniform(0, 8, (3, 4, 3))
    box = np.array([[8.0, 0, 0], [1, 8, 0], [0, 2, 8]])
    coord[2, 3] = coord[2, 1] + image * box[1]
    system = _system(tmp_path / "bad", coord, [0, 1, 1, 0], box=box)
    with pytest.raises(DataError, match=r"overlapping in .*bad: frame 2, atoms 1 and 3"):
        neighbor_statistics([system], rcut=4, ntypes=2, mixed_types=True)


def test_virtual_atoms_do_not_overlap(tmp_path):
    coord = [[[0, 0, 0], [1.5, 0, 0], [0, 0, 0], [0, 0, 0]]]
    system = _system(tmp_path / "a", coord, [0] * 4, real=[0, 1, -1, -1])
    got = neighbor_statistics([system], rcut=4, ntypes=2, mixed_types=False)
    assert got.min_nbor_dist == 1.5 and got.max_nbor_size == [1, 1]


def test_too_small_a_sel_is_reported_once_a_system(tmp_path, caplog):
    chain = np.array([[[float(i), 0, 0] for i in range(5)]] * 3)
    chain[0] *= 10
    system = _system(tmp_path / "chain", chain, [0, 0, 0, 0, 1])
    neighbor_statistics([system], rcut=1.5, ntypes=2, mixed_types=True, sel=[1])
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 2
    assert "1 frames have an atom without a neighbor" in warnings[0]
    assert "sel[0] = 1 is too small" in warnings[1]
    assert "6 atoms" in warnings[1] and "frame 1, atom 1 with 2" in warnings[1]


def test_a_sufficient_sel_is_not_reported(tmp_path, caplog):
    chain = np.array([[[float(i), 0, 0] for i in range(5)]])
    system = _system(tmp_path / "chain", chain, [0, 0, 0, 0, 1])
    neighbor_statistics([system], rcut=1.5, ntypes=2, mixed_types=False, sel=[2, 1])
    assert "not enough" not in caplog.text


def test_without_any_neighbor_the_distance_is_ten(tmp_path, caplog):
    system = _system(tmp_path / "far", [[[0, 0, 0], [50, 0, 0]]], [0, 1])
    got = neighbor_statistics([system], rcut=4, ntypes=2, mixed_types=True)
    assert got.min_nbor_dist == 10 and got.max_nbor_size == [0]
    assert "no atom has a neighbor within 4 Å; are the lengths in Å?" in caplog.text


def test_a_distance_beyond_the_cutoff(tmp_path):
    far = _system(tmp_path / "far", [[[0, 0, 0], [40, 30, 0], [0, 0, 700]]], [0, 1, 1])
    alone = _system(tmp_path / "alone", [[[0.0, 0, 0]]], [0])
    # Across the boundary, and to its own image.
    cell = np.diag([300.0, 400, 90])
    near = _system(tmp_path / "near", [[[1, 1, 1], [298, 1, 1]]], [0, 1], box=cell)
    image = _system(tmp_path / "image", [[[1, 1, 1]]], [0], box=np.diag([300.0, 400, 90]))
    for system, expected in {far: 50, alone: None, near: 3, image: 90}.items():
        rcut = 2.5
        assert shortest_distance([system], rcut, ntypes=2) == (expected and pytest.approx(expected))
    assert shortest_distance([alone, image, far], 4, ntypes=2) == pytest.approx(50)


def test_a_frame_that_cannot_be_searched_is_named(tmp_path):
    coord = np.random.default_rng(1).uniform(0, 8, (3, 2, 3))
    boxes = np.tile(8 * np.eye(3).ravel(), (3, 1))
    boxes[1, 8] = 1e-9
    system = _system(tmp_path / "thin", coord, [0, 1], box=8 * np.eye(3))
    np.save(tmp_path / "thin" / "set.000" / "box.npy", boxes)
    with pytest.raises(DataError, match=r"thin: in frame 1 neighbors within .* cannot be searched"):
        neighbor_statistics([system], rcut=4, ntypes=2, mixed_types=True)
