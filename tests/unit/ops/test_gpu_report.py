"""``benchmarks/gpu_kernels/all.sh``: its parts, limits and report, with stubs of the programs."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "benchmarks" / "gpu_kernels" / "all.sh"
PROGRAMS = {
    "nvidia-smi": "echo 9.0",
    "nvcc": "echo nvcc",
    "compute-sanitizer": 'echo "$1 $2"',
    "python": 'echo "architecture $DEEPATTN_CUDA_ARCHITECTURES: $*"',
}


@pytest.fixture
def run(tmp_path):
    """Runs the script with programs of these lines instead of the real ones."""

    def run(minutes="1", **programs):
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        for name, line in (PROGRAMS | programs).items():
            (folder / name).write_text(f"#!/bin/sh\n{line}\n")
            (folder / name).chmod(0o755)
        variables = {
            name: value
            for name, value in os.environ.items()
            if name != "DEEPATTN_CUDA_ARCHITECTURES"
        }
        variables |= {
            "PATH": f"{folder}:{os.environ['PATH']}",
            "PYTHON": str(folder / "python"),
            "MINUTES": minutes,
        }
        report = tmp_path / "report.txt"
        done = subprocess.run(["bash", SCRIPT, report], env=variables, capture_output=True)
        return done.returncode, report.read_text()

    return run


def test_every_part_is_run_for_the_card_at_hand(run):
    status, report = run()
    assert status == 0
    for part in ("build", "comparisons with the CPU", "timing", "registers"):
        assert f"=== {part}\n" in report
    assert "architecture 90: benchmarks/gpu_kernels/check.py --no-timing\n" in report
    for tool in ("memcheck", "racecheck", "initcheck", "synccheck"):
        assert f"--tool {tool}\n" in report
    summary = report.partition("=== summary\n")[2].splitlines()
    assert len(summary) == 9 and all(line.endswith("passed") for line in summary)


def test_a_part_that_fails_does_not_end_the_others(run):
    status, report = run(python='case "$*" in *--no-timing*) exit 3;; *registers*) echo r;; esac')
    assert status == 1
    summary = report.partition("=== summary\n")[2]
    assert "failed, status 3" in summary
    assert summary.splitlines()[-1].startswith("registers") and "passed" in summary


def test_parts_without_time_are_named(run):
    status, report = run(minutes="0")
    assert status == 1
    assert report.partition("=== summary\n")[2].count("no time") == 9
