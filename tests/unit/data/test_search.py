"""Finding systems."""

import logging

import h5py
import pytest

from deepattn.data import DataSet, find_systems, read_list
from deepattn.errors import DataError

from .write_systems import data_config, to_hdf5, write_system


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


def test_a_linked_folder_of_systems_is_told(tmp_path, caplog):
    _touch(tmp_path / "store" / "s", tmp_path / "root" / "a" / "b", tmp_path / "root" / "c")
    (tmp_path / "empty").mkdir()
    for name, target in {"store": "store", "up": ".", "a2": "root/a", "empty": "empty"}.items():
        (tmp_path / "root" / name).symlink_to(tmp_path / target)
    found = find_systems(str(tmp_path / "root"))
    assert found == [str(tmp_path / "root" / name) for name in ("a/b", "c")]
    [record] = caplog.records
    assert record.getMessage().startswith(f"{tmp_path}/root/store is a link to a folder of systems")


def test_a_list_has_comments_and_folders(tmp_path):
    _touch(*(tmp_path / name for name in ["a", "folder/b", "folder/c", "d #1"]))
    file = tmp_path / "list.txt"
    lines = ["# all", "", f"  {tmp_path}/a  # the first", f"{tmp_path}/folder", f"{tmp_path}/d #1"]
    file.write_bytes("\ufeff".encode() + "\r\n".join(lines).encode())
    names = ["a", "folder/b", "folder/c", "d #1"]
    assert read_list(file) == [str(tmp_path / name) for name in names]
    file.write_text("# nothing\n")
    with pytest.raises(DataError, match=r"list.txt: lists no system"):
        read_list(file)
    file.write_text(f"{tmp_path}/nowhere\n")
    with pytest.raises(DataError, match=r"list.txt: system .*nowhere does not exist"):
        read_list(file)


@pytest.mark.parametrize("pattern, rest", [("x*", "x*"), ("folder/*/y", "*/y"), ("?1", "?1")])
def test_a_pattern_among_the_systems(tmp_path, pattern, rest):
    _touch(*(tmp_path / name for name in ["x1", "x2", "folder/z/y"]))
    with pytest.raises(DataError) as caught:
        find_systems(f"{tmp_path}/{pattern}")
    assert f'"rglob_patterns": ["{rest}"]' in str(caught.value)
    folder = f"{tmp_path}/{pattern}".removesuffix(f"/{rest}")
    assert f"give the folder {folder} and" in str(caught.value)
    assert find_systems(folder, rglob_patterns=[rest])


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
