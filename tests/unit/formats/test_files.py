import os

import pytest

from deepattn.formats.files import replace_link, write_whole


def test_content_appears_only_at_the_end(tmp_path):
    path = tmp_path / "out.bin"
    with write_whole(path) as file:
        file.write(b"abc")
        assert not path.exists()
    assert path.read_bytes() == b"abc"
    assert os.listdir(tmp_path) == ["out.bin"]


def test_text_mode(tmp_path):
    with write_whole(tmp_path / "out.txt", "w") as file:
        file.write("Å\n")
    assert (tmp_path / "out.txt").read_text(encoding="utf-8") == "Å\n"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_failure_leaves_the_old_file_and_no_other(tmp_path, error):
    path = tmp_path / "out.bin"
    path.write_bytes(b"old")
    with pytest.raises(error), write_whole(path) as file:
        file.write(b"half")
        raise error
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["out.bin"]


def test_full_disk_leaves_nothing(tmp_path):
    class Full(OSError):
        pass

    with pytest.raises(Full), write_whole(tmp_path / "out.bin") as file:
        file.write(b"x" * 100)
        raise Full(28, "No space left on device")
    assert os.listdir(tmp_path) == []


def test_permissions_of_the_replaced_file_are_kept(tmp_path):
    path = tmp_path / "out.bin"
    path.write_bytes(b"old")
    path.chmod(0o640)
    with write_whole(path) as file:
        file.write(b"new")
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    with write_whole(tmp_path / "link") as file:
        file.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), write_whole(tmp_path / "no" / "out.bin"):
        pass


def test_only_writing_modes():
    with pytest.raises(ValueError, match="'rb'"), write_whole("x", "rb"):
        pass


def test_replace_link(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
        replace_link(name, tmp_path / "latest")
        assert os.readlink(tmp_path / "latest") == name
        assert (tmp_path / "latest").read_text() == name
    assert sorted(os.listdir(tmp_path)) == ["a", "b", "latest"]
