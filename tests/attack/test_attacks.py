"""Changed files of every kind: read, or refused by an error of ours, in bounded time and memory.

``DEEPATTN_ATTACKS`` is the number of changed files, 400 by default. Every run draws the same.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import processes
import pytest

from .targets import TARGETS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def _run(*words: str) -> str:
    quiet = {"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment = {**processes.environment(), **quiet}
    done = processes.run([sys.executable, "-m", *words], cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict:
    """Results of each reader."""
    pytest.importorskip("lmdb")
    seeds = tmp_path_factory.mktemp("seeds")
    _run("tests.attack.seeds", str(seeds))
    count = os.environ.get("DEEPATTN_ATTACKS", "400")
    return json.loads(_run("tests.attack.run", str(seeds), count).splitlines()[-1])


@pytest.mark.parametrize("name", TARGETS)
def test_a_reader(found, name) -> None:
    assert found[name]["faults"] == []
    assert found[name]["read"] + found[name]["refused"] > 0
