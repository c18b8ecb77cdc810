"""Labels whose command and jobs are killed at random moments; a program, since it forks.

Arguments: a folder with a template, the number of kills, and a seed. The same frames are labeled
again and again in new folders; half of the kills are of the command alone, half of its jobs too,
and some of the jobs alone, as where a cluster fails. It prints what it has found as JSON.
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

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from forked import end_of, fork
from unit.learn.codes import frames, section
from unit.learn.killed_loops import begun, jobs_in, kill_jobs, labels_of

from deepattn.learn.labels.config import LABELS, LabelsConfig
from deepattn.learn.labels.source import StoredLabeler
from deepattn.learn.labels.store import LabelStore

_FRAMES, _KILLS, _LIFE = 6, 5, 3.0


def start(target):
    """A child that labels all frames."""

    def run():
        os.environ["RUNS"] = str(Path(f"runs-{target}").resolve())
        given = section(Path.cwd(), parallel=2)
        full = LabelsConfig.complete(given, "learn/labels")
        source = LABELS["espresso"].from_dict(full).open()
        labeler = StoredLabeler(source, LabelStore(Path(target, "labels")))
        found = labeler.label(frames(_FRAMES), Path(target, "batch"), title="labels")
        return int(len(found.frames) != _FRAMES)

    return fork(run)


def kill_some(kills, chance):
    """Kill so many times; what was wrong."""
    result = {"kills": 0, "with jobs": 0, "of jobs alone": 0, "rounds": 0, "begun": 0, "faults": []}
    if end_of(start("whole")):
        result["faults"].append("the labels without kills")
    expected = labels_of("whole")
    while result["kills"] < kills and not result["faults"]:
        shutil.rmtree("killed", ignore_errors=True)
        Path("runs-killed").unlink(missing_ok=True)
        ended = Counter()
        child = start("killed")
        for _ in range(_KILLS):
            time.sleep(chance.uniform(0, _LIFE))
            kind = chance.choice(["command", "both", "jobs"])
            if kind != "jobs":
                os.kill(child, signal.SIGKILL)
                if end_of(child) >= 0:
                    child = 0
                    break
                child = start("killed") if kind == "command" else 0
            folders = kill_jobs("killed") if kind != "command" else set()
            ended.update(folders)
            child = child or start("killed")
            result["kills"] += kind != "jobs" or bool(folders)
            result["with jobs"] += kind == "both" and bool(folders)
            result["of jobs alone"] += kind == "jobs" and bool(folders)
        status = end_of(child or start("killed"))
        result["rounds"] += 1
        counted = begun("killed")
        result["begun"] += counted.total()
        if status:
            result["faults"].append(f"status {status}")
        if labels_of("killed") != expected:
            result["faults"].append("labels")
        twice = {name: c for name, c in counted.items() if c > 1 + ended[name]}
        if twice:
            result["faults"].append(f"run more than once: {twice}")
        if jobs_in("killed"):
            result["faults"].append(f"still there: {jobs_in('killed')}")
        Path("result.json").write_text(json.dumps(result))
    return result


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    print(json.dumps(kill_some(int(sys.argv[2]), random.Random(int(sys.argv[3])))))
