"""Distillations that are killed at random moments and begun again; a program, since it forks.

Arguments: a folder with an input and a teacher, the number of kills, and a seed. One distillation
goes to its end; others are killed some times on their way, and must leave the same student. It
prints what it has found as JSON.
"""

import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from forked import end_of, fork

from deepattn.cli.main import main
from deepattn.formats.checkpoint import read_checkpoint

# Of one distillation before it is let go to its end, and how long it lives, as a part of a whole.
_KILLS, _LIFE = 10, 0.3


def start(target):
    """A child that distills."""
    return fork(lambda: main(["distill", "distill_teachers:emt", "input.json", "-o", target]))


def differences(target, whole):
    """Differences in the files of a killed distillation and an uninterrupted one."""
    found = []
    checkpoint = Path("round-01", "student-0", "model.ckpt")
    arrays, others = (read_checkpoint(folder / checkpoint)[0] for folder in (whole, target))
    found += [n for n, array in arrays.items() if not np.array_equal(array, others.get(n))]
    for name in ("student.pb", "report.json", "report.html"):
        if not (target / name).is_file():
            found.append(name)
    if list(target.rglob("pieces")) or list(target.rglob(".*.tmp")):
        found.append("leftovers")
    return found


def kill_some(kills, chance):
    """Kill distillations so many times; what was wrong."""
    whole, target = Path("whole"), Path("killed")
    began = time.monotonic()
    # 1 if the student is not as exact as is asked, which has no part in this.
    expected = end_of(start("whole"))
    took = time.monotonic() - began
    result = {"kills": 0, "distillations": 0, "faults": []}
    if expected not in (0, 1) or not (whole / "student.pb").is_file():
        result["faults"] = [f"status {expected}"]
    while result["kills"] < kills and not result["faults"]:
        shutil.rmtree(target, ignore_errors=True)
        for _ in range(min(_KILLS, kills - result["kills"])):
            child = start("killed")
            time.sleep(chance.uniform(0, _LIFE * took))
            os.kill(child, signal.SIGKILL)
            if end_of(child) >= 0:  # it was at its end
                break
            result["kills"] += 1
        status = end_of(start("killed"))
        result["distillations"] += 1
        if status != expected:
            result["faults"].append(f"status {status}, not {expected}")
        else:
            result["faults"] += differences(target, whole)
        # For a look at a long run while it goes.
        Path("result.json").write_text(json.dumps(result))
    return result


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    sys.path.insert(0, ".")
    print(json.dumps(kill_some(int(sys.argv[2]), random.Random(int(sys.argv[3])))))
