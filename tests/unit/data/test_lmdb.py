"""LMDB: frames of several sizes in one file."""

import os
import shutil

import dpdata
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepattn.data import DataSet, System, find_systems
from deepattn.data import lmdb as lmdb_module
from deepattn.data.lmdb_pages import check_pages
from deepattn.errors import DataError

from .write_systems import data_config

lmdb = pytest.importorskip("lmdb")
msgpack = pytest.importorskip("msgpack")


def _array(value, dtype=np.float64):
    value = np.asarray(value, dtype)
    return {"type": value.dtype.str, "shape": list(value.shape), "data": value.tobytes()}


def _frame(natoms, seed, *, periodic=True, **changes):
    random = np.random.default_rng(seed)
    frame = {
        "coords": _array(random.uniform(0, 9, (natoms, 3))),
        "energies": float(random.normal()),
        "forces": _array(random.normal(size=(natoms, 3)), np.float32),
        "atom_types": _array(random.integers(0, 2, natoms), np.int32),
        "atom_numbs": [1, natoms - 1],
    }
    if periodic:
        frame["cells"] = _array(9 * np.eye(3))
    return {**frame, **changes}


def _write(path, frames, *, names=("O", "H")):
    with (
        lmdb.open(str(path), map_size=1 << 24) as environment,
        environment.begin(write=True) as writer,
    ):
        metadata = {"nframes": len(frames), "type_map": list(names)}
        writer.put(b"__metadata__", msgpack.packb(metadata))
        for number, frame in enumerate(frames):
            writer.put(f"{number:012d}".encode(), msgpack.packb(frame))
    return path


def test_frames_are_sorted_by_size_and_kind(tmp_path):
    frames = [_frame(4, 0), _frame(3, 1), _frame(4, 2, periodic=False), _frame(4, 3)]
    frames.append(_frame(4, 4, cells=_array(np.zeros((3, 3)))))
    path = str(_write(tmp_path / "a.lmdb", frames))
    found = find_systems(str(tmp_path / "a.lmdb"))
    assert found == [f"{path}#3", f"{path}#4,open", f"{path}#4"]
    assert find_systems(found[1]) == [found[1]]
    system = System(found[2], type_map=["H", "O"])
    assert system.mixed_type and system.periodic and (system.natoms, system.nframes) == (4, 2)
    inputs, labels = system.frames([1, 0])
    for row, number in enumerate((3, 0)):
        frame = frames[number]
        coord = np.frombuffer(frame["coords"]["data"]).reshape(4, 3)
        np.testing.assert_array_equal(inputs["coord"][row], coord)
        types = np.frombuffer(frame["atom_types"]["data"], np.int32)
        np.testing.assert_array_equal(inputs["atype"][row], 1 - types)
        force = np.frombuffer(frame["forces"]["data"], np.float32).reshape(4, 3)
        np.testing.assert_array_equal(labels["force"][row], force)
        assert labels["energy"][row] == frame["energies"]
    assert not labels["find_virial"].any()
    assert not System(found[1]).frames([0, 1])[0]["box"].any()


def test_labels_are_found_frame_by_frame(tmp_path):
    frames = [
        _frame(3, 0),
        _frame(3, 1, virials=_array(np.ones((3, 3)))),
        _frame(3, 2, find_energy=0.0),
    ]
    del frames[0]["forces"]
    path = _write(tmp_path / "a.lmdb", frames)
    system = System(f"{path}#3")
    found = {}
    for index in range(3):
        _, labels = system.frames([index])
        found[int(labels["find_energy"][0]), int(labels["find_force"][0])] = labels
    assert set(found) == {(1, 0), (1, 1), (0, 1)}
    assert found[1, 1]["find_virial"] == 1 and found[1, 1]["virial"].sum() == 9


def test_all_arrays_of_frames_are_read_at_once(tmp_path, monkeypatch):
    path = _write(tmp_path / "a.lmdb", [_frame(3, seed) for seed in range(4)])
    system = System(f"{path}#3")
    read, wanted = lmdb_module._read_frames, []

    def recorded(file, key_format, numbers):
        wanted.append(list(numbers))
        return read(file, key_format, numbers)

    system.frames([0])  # looks up the shapes of all arrays
    monkeypatch.setattr(lmdb_module, "_read_frames", recorded)
    system.frames([2, 1])
    system.frames([3])
    assert wanted == [[2, 1], [3]]


def test_what_dpdata_writes(tmp_path):
    random = np.random.default_rng(0)
    data = {
        "atom_names": ["O", "H"],
        "atom_numbs": [1, 2],
        "atom_types": np.array([0, 1, 1]),
        "orig": np.zeros(3),
        "cells": np.tile(9 * np.eye(3), (5, 1, 1)),
        "coords": random.uniform(0, 9, (5, 3, 3)),
        "energies": random.normal(size=5),
        "forces": random.normal(size=(5, 3, 3)),
    }
    system = dpdata.LabeledSystem(data=data)
    system.to("deepmd/lmdb", str(tmp_path / "a.lmdb"))
    system.to("deepmd/npy", str(tmp_path / "npy"))
    one = DataSet(data_config(str(tmp_path / "a.lmdb")), ["H", "O"]).systems[0]
    two = DataSet(data_config(str(tmp_path / "npy")), ["H", "O"]).systems[0]
    for left, right in zip(one.frames(range(5)), two.frames(range(5)), strict=True):
        for key in left:
            np.testing.assert_array_equal(left[key], right[key])


def test_mistakes_are_named(tmp_path):
    bad = _frame(3, 1)
    bad["coords"] = _array([[0, 0, 0], [1, np.nan, 0], [0, 2, 0]])
    path = _write(tmp_path / "nan.lmdb", [_frame(3, 0), _frame(2, 0), bad])
    with pytest.raises(DataError, match=r"nan.lmdb, coord: frame 2, atom 1 is nan"):
        DataSet(data_config(str(path)), ["O", "H"])
    path = _write(tmp_path / "short.lmdb", [_frame(3, 0), _frame(3, 1, forces=_array(np.ones(8)))])
    with pytest.raises(DataError, match=r"short.lmdb, force: frame 1 has shape \(8,\), expected"):
        DataSet(data_config(str(path)), ["O", "H"])
    path = _write(tmp_path / "type.lmdb", [_frame(2, 0, atom_types=_array([0, 2], np.int32))])
    with pytest.raises(DataError, match=r"frame 0, atom 1 has type 2"):
        DataSet(data_config(str(path)), ["O", "H"])
    path = _write(tmp_path / "without.lmdb", [{"energies": 1.0}])
    with pytest.raises(DataError, match=r"without.lmdb: frame 0 has no coord"):
        find_systems(str(path))
    with pytest.raises(DataError, match=r"has no periodic frame of 7 atoms"):
        System(f"{path.with_name('nan.lmdb')}#7")


@settings(max_examples=100, deadline=None)
@given(patch=st.binary(min_size=1, max_size=12), start=st.integers(0, 600), cut=st.integers(0, 100))
def test_a_damaged_frame_is_data_error_or_read(tmp_path_factory, patch, start, cut):
    path = tmp_path_factory.mktemp("fuzz") / "a.lmdb"
    packed = msgpack.packb(_frame(3, 0))
    damaged = packed[:start] + patch + packed[start + len(patch) :]
    with (
        lmdb.open(str(path), map_size=1 << 20) as environment,
        environment.begin(write=True) as writer,
    ):
        writer.put(b"__metadata__", msgpack.packb({"nframes": 1, "type_map": ["O", "H"]}))
        writer.put(b"0" * 12, damaged[: max(0, len(damaged) - cut)])
    try:
        DataSet(data_config(str(path)), ["O", "H"])
    except DataError as error:
        assert str(path) in str(error)
    shutil.rmtree(path)


@pytest.mark.parametrize(
    "name, ours, shape",
    [("forces", "force", (3, 4)), ("coords", "coord", (3, 4)), ("virials", "virial", (9, 1, 2))],
)
def test_a_frame_of_another_shape(tmp_path, name, ours, shape):
    frames = [_frame(4, seed, virials=_array(np.ones((3, 3)))) for seed in range(3)]
    frames[1][name] = _array(np.ones(shape))
    [path] = find_systems(str(_write(tmp_path / "a.lmdb", frames)))
    with pytest.raises(DataError) as caught:
        System(path).frames(range(3))
    assert f"a.lmdb, {ours}: frame 1 has shape {shape}, expected (" in str(caught.value)


@pytest.fixture
def many(tmp_path):
    """An environment whose tree has two levels, with values in pages of their own."""
    return _write(tmp_path / "many.lmdb", [_frame(4 + 90 * (n % 2), n) for n in range(120)])


@pytest.mark.parametrize("part", [0.0, 0.001, 0.3, 0.7, 0.999])
def test_a_copy_cut_short(many, part):
    data = many / "data.mdb"
    used = (lmdb.open(str(many), readonly=True, lock=False).info()["last_pgno"] + 1) * 4096
    os.truncate(data, int(used * part))
    with pytest.raises(DataError, match=r"many.lmdb is not a readable .* get a complete copy"):
        find_systems(str(many))


def test_pages_that_point_out_of_the_file(many):
    """Any page number, size or place that is changed is found before the library follows it."""
    data = many / "data.mdb"
    content = data.read_bytes()
    random = np.random.default_rng(3)
    tree = [page for page in range(8192, len(content), 4096) if content[page + 10] in (1, 2)]
    assert len(tree) > 10
    found = 0
    for _ in range(300):
        damaged = bytearray(content)
        place = int(random.choice(tree)) + 2 * int(random.integers(0, 12))
        damaged[place : place + 2] = int(random.integers(0, 1 << 16)).to_bytes(2, "little")
        data.write_bytes(damaged)
        try:
            check_pages(data)
        except ValueError as error:
            assert "damaged" in str(error)
            found += 1
    assert found > 100


def test_keys_of_a_billion_characters(tmp_path):
    path = _write(tmp_path / "a.lmdb", [_frame(3, 0)])
    with lmdb.open(str(path), map_size=1 << 24) as file, file.begin(write=True) as writer:
        metadata = {"nframes": 1, "type_map": ["O"], "frame_idx_fmt": "01000000000d"}
        writer.put(b"__metadata__", msgpack.packb(metadata))
    with pytest.raises(DataError, match="has frame keys of an unknown format"):
        find_systems(str(path))
