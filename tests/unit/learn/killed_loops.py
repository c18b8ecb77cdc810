"""Loops that are killed at random moments and begun again; a program, since it forks.

Arguments: a folder with an input, the number of kills, and a seed. One loop goes to its end; others
are killed some times on their way and must come to the same end with the same labels. Every other
kill waits for jobs, as long as it may, and kills them too. It prints what it has found as JSON.
"""

import json
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from forked import end_of, fork

from deepattn.cli.main import main
from deepattn.formats.checkpoint import read_checkpoint

# Of one loop before it is let go to its end, and how long it lives after the first of them, which
# comes at any moment, as a part of a whole one.
_KILLS, _LIFE = 5, 0.3


def start(target):
    """A child that runs a loop."""

    def run():
        os.environ["RUNS"] = str(Path(f"runs-{target}").resolve())
        return main(["learn", "loop.json", "-o", target])

    return fork(run)


def jobs_in(target):
    """Processes of jobs, by the folders that they run in: those of labels."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/cwd"):
        try:
            folder = Path(os.readlink(path))
        except OSError:
            continue
        if Path(target).resolve() in folder.parents:
            found[int(path.parent.name)] = folder
    return found


def wait_for_jobs(target, seconds):
    """Wait until a job runs; whether one does."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if jobs_in(target):
            return True
        time.sleep(0.02)
    return False


def kill_jobs(target):
    """Kill all jobs, as a cluster that fails does; folders of frames in which something ran."""
    folders = set()
    # Shells last: the one of a frame sees how its command ends, as it does where memory is short.
    for process, folder in sorted(jobs_in(target).items(), reverse=True):
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            continue
        folders.add(folder.name)
    return folders


def stage_of(target):
    """The stage that a killed loop was in: the one after the last that is done."""
    done = [path for path in Path(target).rglob("*.json") if "seconds" in path.read_text()]
    done = [path for path in done if "labels" not in path.parts and "settings" not in path.parts]
    if not done:
        return "start"
    last = max(done, key=lambda path: path.stat().st_mtime_ns).relative_to(target)
    return f"after {last.with_suffix('')}"


def labels_of(target):
    """The content of every label by its folder."""
    root = Path(target)
    return {
        str(path.parent.relative_to(root)): path.read_text() for path in root.rglob("label.json")
    }


def begun(target):
    """How often the code was started for each frame."""
    path = Path(f"runs-{target}")
    return Counter(path.read_text().split() if path.exists() else [])


def differences(target, whole, ended):
    """Differences of a killed loop and an uninterrupted one.

    ``ended`` is, by frame, how often something that ran for it was killed.
    """
    found = []
    for name in ("round-01/model-0/model.ckpt", "student/round-00/student-0/model.ckpt"):
        arrays, others = (read_checkpoint(Path(folder, name))[0] for folder in (whole, target))
        found += [n for n, array in arrays.items() if not np.array_equal(array, others.get(n))]
    for name in ("model.pb", "student/student.pb", "report.html", "report.json", "provenance.csv"):
        if not Path(target, name).is_file():
            found.append(f"{name} is missing")
    if Path(whole, "provenance.csv").read_text() != Path(target, "provenance.csv").read_text():
        found.append("provenance.csv")
    if labels_of(whole) != labels_of(target):
        found.append("labels")
    expected, counted = begun(whole), begun(target)
    twice = {n: c for n, c in counted.items() if c > expected[n] + ended[n]}
    if twice:
        found.append(f"run more than once: {twice}")
    left = [*Path(target).rglob("pieces"), *Path(target).rglob(".*.tmp")]
    if left or jobs_in(target):
        found.append(f"leftovers: {[str(path) for path in left]}, {jobs_in(target)}")
    return found


def kill_some(kills, chance):
    """Kill loops so many times; what was wrong."""
    began = time.monotonic()
    # 1 if the model is not as exact as is asked, which has no part in this.
    expected = end_of(start("whole"))
    took = time.monotonic() - began
    result = {"kills": 0, "with jobs": 0, "loops": 0, "begun": 0, "stages": {}, "faults": []}
    if expected not in (0, 1) or not Path("whole", "model.pb").is_file():
        result["faults"] = [f"status {expected}"]
    while result["kills"] < kills and not result["faults"]:
        shutil.rmtree("killed", ignore_errors=True)
        Path("runs-killed").unlink(missing_ok=True)
        ended = Counter()
        for number in range(min(_KILLS, kills - result["kills"])):
            child = start("killed")
            live = chance.uniform(0, _LIFE * took if number else took)
            if number % 2 and wait_for_jobs("killed", 3 * took):
                live = chance.uniform(0, 1)
            time.sleep(live)
            os.kill(child, signal.SIGKILL)
            if end_of(child) >= 0:  # it was at its end
                break
            result["kills"] += 1
            stage = stage_of("killed")
            result["stages"][stage] = result["stages"].get(stage, 0) + 1
            if number % 2:
                folders = kill_jobs("killed")
                ended.update(folders)
                result["with jobs"] += bool(folders)
        status = end_of(start("killed"))
        result["loops"] += 1
        result["begun"] += begun("killed").total()
        if status != expected:
            result["faults"].append(f"status {status}, not {expected}")
        else:
            result["faults"] += differences("killed", "whole", ended)
        # For a look at a long run while it goes.
        Path("result.json").write_text(json.dumps(result))
    result["seconds"] = time.monotonic() - began
    result["labels"] = len(labels_of("whole"))
    return result


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    print(json.dumps(kill_some(int(sys.argv[2]), random.Random(int(sys.argv[3])))))
