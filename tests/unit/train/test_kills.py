"""A training that is killed at any moment loses nothing that a checkpoint held."""

import json
import os
import sys
from pathlib import Path

import processes
import pytest

# As many as the variable says; a thousand are worth a night.
KILLS = int(os.environ.get("DEEPATTN_KILLS", "6"))


@pytest.mark.slow
def test_killed_trainings_end_as_others_do(tmp_path):
    program = Path(__file__).with_name("kills.py")
    command = [sys.executable, str(program), str(tmp_path), str(KILLS), "1"]
    done = processes.run(command)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["faults"] == []
    assert result["kills"] >= KILLS
    assert result["with a checkpoint"] > 0
