"""Dynamics by LAMMPS as jobs, killed at random moments; a program, since it forks.

Arguments: a folder with the stand-in of ``lmp``, the number of kills, and a seed. The same runs are
begun again and again in new folders; every other kill waits for jobs and kills them too, the others
come at any moment. It prints what it has found as JSON.
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
from types import SimpleNamespace

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from ase import Atoms
from forked import end_of, fork
from unit.learn.killed_loops import begun, jobs_in, kill_jobs, wait_for_jobs
from unit.learn.lammps import write_program

from deepattn.learn.dynamics.config import LearnExploreConfig
from deepattn.learn.dynamics.engine import Exploration
from deepattn.models import open_model_file

_RUNS, _KILLS, _LIFE, _TAKES = 6, 5, 3.0, 0.4


def explored(target):
    """Run, step and positions of all frames."""
    os.environ["RUNS"] = str(Path(f"runs-{target}").resolve())
    engine = {"type": "lammps", "command": write_program(Path.cwd()), "wait": 0.2, "parallel": 2}
    given = {"temperatures": [500], "runs": _RUNS, "engine": engine}
    config = LearnExploreConfig.from_dict(LearnExploreConfig.complete(given, "explore"))
    potential = SimpleNamespace(file=open_model_file("graph.pb"), elements=("O", "H"))
    water = Atoms("OHH", [[0, 0, 0], [1.0, 0, 0], [0, 1.0, 0.3]], cell=[4.0] * 3, pbc=True)
    exploration = Exploration(
        potential, [water], config, 8, 2, closest=0.1, seed=(1, 1), title="dynamics"
    )
    found = config.engine.open().explore(exploration, Path(target))
    rows = [
        [atoms.info["run"], atoms.info["step"], *atoms.positions.ravel()] for atoms in found.frames
    ]
    return np.array(rows)


def start(target):
    """A child that explores."""

    def run():
        np.save(f"{target}.npy", explored(target))
        return 0

    return fork(run)


def kill_some(kills, chance):
    """Kill so many times; what was wrong."""
    result = {"kills": 0, "with jobs": 0, "rounds": 0, "begun": 0, "faults": []}
    if end_of(start("whole")):
        result["faults"].append("the dynamics without kills")
    while result["kills"] < kills and not result["faults"]:
        shutil.rmtree("killed", ignore_errors=True)
        for name in ("runs-killed", "killed.npy"):
            Path(name).unlink(missing_ok=True)
        ended = Counter()
        for number in range(_KILLS):
            child = start("killed")
            both = number % 2 == 0
            waited = both and wait_for_jobs("killed", 2 * _LIFE)
            time.sleep(chance.uniform(0, _TAKES if waited else _LIFE))
            os.kill(child, signal.SIGKILL)
            if end_of(child) >= 0:
                break
            result["kills"] += 1
            if both:
                folders = kill_jobs("killed")
                ended.update(folders)
                result["with jobs"] += bool(folders)
        status = end_of(start("killed"))
        result["rounds"] += 1
        counted = begun("killed")
        result["begun"] += counted.total()
        if status:
            result["faults"].append(f"status {status}")
        elif not np.array_equal(np.load("whole.npy"), np.load("killed.npy")):
            result["faults"].append("frames")
        twice = {name: c for name, c in counted.items() if c > 1 + ended[name]}
        if twice:
            result["faults"].append(f"run more than once: {twice}")
        if jobs_in("killed"):
            result["faults"].append(f"still there: {jobs_in('killed')}")
    return result


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    print(json.dumps(kill_some(int(sys.argv[2]), random.Random(int(sys.argv[3])))))
