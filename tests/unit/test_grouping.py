"""Tests that share a fixture of their module run in one process."""

import os
import subprocess
import sys
from pathlib import Path

TESTS = """
import os
import pytest

@pytest.fixture(scope="module")
def log():
    with open("log", "a") as file:
        yield file

@pytest.mark.parametrize("number", range(8))
def test_with(log, number):
    print(os.environ["PYTEST_XDIST_WORKER"], file=log)
"""


def test_groups_are_kept_together(tmp_path):
    """pytest 9.2 ignores how pytest-xdist 3.8 tells it of groups, and nothing fails."""
    (tmp_path / "test_some.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "grouping", "-p", "no:cacheprovider"]
    path = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    own = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    done = subprocess.run(
        [*command, "-n", "2", "--dist", "loadgroup", "."],
        cwd=tmp_path,
        env={**own, "PYTHONPATH": os.pathsep.join(path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(set((tmp_path / "log").read_text().split())) == 1, "install the extra [test]"
