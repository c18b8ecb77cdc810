"""Finding systems."""

import logging

import h5py
import pytest
from write_systems import data_config, to_hdf5, write_system

from deepattn.data import DataSet, find_systems
from deepattn.errors import DataError


def _touch(*folders):
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "type.raw").touch()


def test_any_depth_and_sorted(tmp_path):
    names = ["b", "a/deep/er", "a", "c/x", "a/deep/er/nested"]
    _touch(*(tmp_path / name for name in sorted(names)))
    assert find_systems(str(tmp_path)) == [str(tmp_path / name) for name in sorted(names)]


def test_the_entry_itself_and_duplicates(tmp_path):
    _touch(tmp_path / "a")
    path = str(tmp_path / "a")
    assert find_systems([path, path]) == [path, path]


def test_paths_start_from_the_base(tmp_path):
    _touch(tmp_path / "a")
    assert find_systems("a", base=tmp_path) == [str(tmp_path / "a")]


def test_a_linked_system_is_found_and_a_linked_folder_is_not_entered(tmp_path):
    _touch(tmp_path / "store" / "s")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link").symlink_to(tmp_path / "store" / "s")
    (tmp_path / "root" / "parent").symlink_to(tmp_path / "store")
    (tmp_path / "root" / "loop").symlink_to(tmp_path / "root")
    assert find_systems(str(tmp_path / "root")) == [str(tmp_path / "root" / "link")]


def test_patterns_replace_the_search(tmp_path):
    _touch(*(tmp_path / name for name in ["x1", "x2", "y", "y/x3"]))
    (tmp_path / "x4").mkdir()
    got = find_systems(str(tmp_path), rglob_patterns=["x*", "*2"])
    assert got == [str(tmp_path / name) for name in ["x1", "x2", "y/x3"]]


def test_hdf5_at_any_depth_and_below_a_group(tmp_path):
    path, _ = write_system(tmp_path / "a")
    file = tmp_path / "all.hdf5"
    for group in ("/one", "/two/three/four", "/two/b"):
        to_hdf5(path, file, group)
    found = find_systems(str(file))
    assert found == [f"{file}#/{name}" for name in ("one", "two/b", "two/three/four")]
    assert find_systems(f"{file}#/two") == found[1:]
    assert find_systems(f"{file}#two") == found[1:]
    assert len(DataSet(data_config(str(file)), ["O", "H"]).systems) == 3


def test_what_does_not_exist(tmp_path):
    with pytest.raises(DataError, match=r"nowhere does not exist"):
        find_systems([str(tmp_path / "nowhere")])
    with pytest.raises(DataError, match=r"all.h5 cannot be read"):
        find_systems(f"{tmp_path}/all.h5#/a")
    h5py.File(tmp_path / "real.h5", "w").close()
    with pytest.raises(DataError, match=r"real.h5 has no group /a"):
        find_systems(f"{tmp_path}/real.h5#/a")


def test_an_entry_without_a_system_is_said(tmp_path, caplog):
    _touch(tmp_path / "a")
    (tmp_path / "empty").mkdir()
    with caplog.at_level(logging.WARNING):
        assert find_systems([str(tmp_path / "empty"), str(tmp_path / "a")])
    assert "no system" in caplog.text and "empty" in caplog.text
    with pytest.raises(DataError, match="no system found in"):
        find_systems([str(tmp_path / "empty")])
    with pytest.raises(DataError, match="an empty list"):
        find_systems([])
