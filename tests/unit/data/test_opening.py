"""Thousands of files, and few that may be open at a time."""

import subprocess
import sys
from pathlib import Path

import pytest

from .write_systems import to_hdf5, write_system

_READ = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (%d, %d))
from deepattn.data import System, find_systems
paths = find_systems(".")
systems = [System(path) for path in paths]
systems[0].frames([0])  # imports what it needs
%s
print(len(paths), sum(system.frames([0, 1])[1]["energy"].sum() for system in systems))
"""
_TAKE_ALL = """
held = []
try:
    while True:
        held.append(open("list"))
except OSError:
    pass
"""


def _run(folder, soft, hard, then=""):
    return subprocess.run(
        [sys.executable, "-c", _READ % (soft, hard, then)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def many(tmp_path):
    for number in range(40):
        write_system(tmp_path / f"{number:02d}", seed=number, sets=(2,))
    (tmp_path / "list").touch()
    return tmp_path


def test_no_file_stays_open(many):
    done = _run(many, 20, 20)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("40 ")


def test_the_limit_is_raised_where_it_must_be(many):
    done = _run(many, 20, 60, _TAKE_ALL)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("layout", ["npy", "hdf5"])
def test_who_has_no_more_files_is_told_so(tmp_path, layout):
    path, _ = write_system(tmp_path / "a", sets=(2,))
    if layout == "hdf5":
        to_hdf5(path, tmp_path / "a.h5", "/s")
    (tmp_path / "list").touch()
    late = "from deepattn.data.store import open_hdf5" + _TAKE_ALL
    done = _run(tmp_path, 20, 20, late + ("open_hdf5('a.h5')" if layout == "hdf5" else ""))
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "has reached its limit of 20 open files; raise it with ulimit -n" in last
    assert Path(last.split(": ")[1].split()[0]).name in ("coord.npy", "a.h5")
