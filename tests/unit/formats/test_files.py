import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deepattn.errors import DataError
from deepattn.formats import files
from deepattn.formats.files import (
    remove_leftovers,
    replace_link,
    scratch_folder,
    write_folder_whole,
    write_whole,
)


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


def test_a_link_in_a_folder_that_is_gone(tmp_path):
    with pytest.raises(FileNotFoundError):
        replace_link("a", tmp_path / "gone" / "latest")


def test_replace_link(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
        replace_link(name, tmp_path / "latest")
        assert os.readlink(tmp_path / "latest") == name
        assert (tmp_path / "latest").read_text() == name
    assert sorted(os.listdir(tmp_path)) == ["a", "b", "latest"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("writer", "every"),
    [("write_file", 2), ("write_link", 1), ("write_folder", 6), ("write_folder_in_two_steps", 6)],
)
def test_a_kill_at_any_line_loses_nothing(writer, every):
    """`DEEPATTN_KILLS=100` takes every line."""
    every = 1 if int(os.environ.get("DEEPATTN_KILLS", "0")) >= 100 else every
    script = Path(__file__).with_name("kill_points.py")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    command = [sys.executable, str(script), writer, str(every)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    result = json.loads(done.stdout)
    assert result["faults"] == {}
    assert result["points"] > 100


def test_a_folder_is_replaced_in_one_step(tmp_path, monkeypatch):
    """With two steps there is a moment when nothing has the name."""
    target = tmp_path / "target"
    for text in ("old", "new"):
        with write_folder_whole(target, mark="mark") as folder:
            (folder / "mark").write_text(text)
            monkeypatch.setattr(os, "rename", refuse if target.exists() else os.rename)
    assert (target / "mark").read_text() == "new"
    assert os.listdir(tmp_path) == ["target"]


def refuse(*arguments):
    raise AssertionError(f"renamed: {arguments}")


def test_a_folder_survives_a_failure_between_two_steps(tmp_path, monkeypatch):
    target = tmp_path / "target"
    with write_folder_whole(target, mark="mark") as folder:
        (folder / "mark").write_text("old")
    rename = os.rename

    def fail_for_the_new_one(source, destination):
        if Path(source).suffix == ".new":
            raise OSError(28, "No space left on device")
        rename(source, destination)

    monkeypatch.setattr(files, "_exchange", lambda first, second: False)
    monkeypatch.setattr(os, "rename", fail_for_the_new_one)
    with pytest.raises(OSError), write_folder_whole(target, mark="mark") as folder:
        (folder / "mark").write_text("new")
    assert (target / "mark").read_text() == "old"
    assert os.listdir(tmp_path) == ["target"]


def test_what_is_no_such_folder_is_not_replaced(tmp_path):
    (tmp_path / "target").mkdir()
    with pytest.raises(DataError, match="not a folder with mark"):
        with write_folder_whole(tmp_path / "target", mark="mark"):
            pass
    assert os.listdir(tmp_path) == ["target"]


def test_files_of_living_writers_and_other_machines_stay(tmp_path):
    elsewhere = tmp_path / ".out.bin.00000000-12345678.tmp"
    elsewhere.touch()
    with write_whole(tmp_path / "out.bin") as first:
        with write_whole(tmp_path / "out.bin") as second:
            second.write(b"second")
        first.write(b"first")
    assert (tmp_path / "out.bin").read_bytes() == b"first"
    assert sorted(os.listdir(tmp_path)) == [elsewhere.name, "out.bin"]


def test_leftovers_of_one_target_are_told_from_others(tmp_path):
    """Whoever closes a temporary file without renaming it is as good as dead."""
    for name in ("model.ckpt-1.h5", "model.ckpt-2.h5", "other.ckpt-1.h5"):
        files._open_temporary(tmp_path / name, "wb")[1].close()
    remove_leftovers(tmp_path, "model.ckpt-*.h5")
    (left,) = os.listdir(tmp_path)
    assert left.startswith(".other.ckpt-1.h5.")
    with write_whole(tmp_path / "other.ckpt-1.h5"):
        pass
    assert os.listdir(tmp_path) == ["other.ckpt-1.h5"]


def test_a_scratch_folder_is_gone_at_the_end(tmp_path):
    with scratch_folder(tmp_path / "target") as folder:
        (folder / "a").mkdir()
        os.replace(folder / "a", tmp_path / "target")
    assert os.listdir(tmp_path) == ["target"]
