"""Commands that are killed lose nothing, and work the next time.

`DEEPATTN_KILLS=100` kills all of them, each a hundred times, and takes hours.
"""

import json
import os
import sys
from pathlib import Path

import ase
import ase.io
import numpy as np
import processes
import pytest
from ase.calculators.singlepoint import SinglePointCalculator

from deepattn.train.monitoring.learning_curve import LearningCurve, Shown

from .model_files import write_system

KILLS = int(os.environ.get("DEEPATTN_KILLS", "0"))
# Those that are killed once without that variable: a folder, many files, data.
QUICK = ("freeze-saved-model", "test", "convert")


@pytest.fixture
def commands(tmp_path, attention, two_body, frames):
    """By name, what to run and what it writes."""
    data = write_system(tmp_path / "in" / "a", frames)
    source = tmp_path / "in" / "a.extxyz"
    coords, boxes, types = frames
    atoms = [
        ase.Atoms(np.array(["O", "H"])[types], coord, cell=box.reshape(3, 3), pbc=True)
        for coord, box in zip(coords, boxes, strict=True)
    ]
    for frame in atoms:
        frame.calc = SinglePointCalculator(frame, energy=-1.0, forces=np.zeros((8, 3)))
    ase.io.write(source, atoms)
    curve = tmp_path / "in" / "lcurve.out"
    with LearningCurve(curve) as file:
        for step in range(60):
            file.write(step, [Shown("", {"rmse": 1.0, "rmse_e": 1.0, "rmse_f": 1.0}, None)], 1e-3)
    graph, checkpoint = str(attention.graph), str(attention.checkpoint)
    listed = {
        "freeze": (["freeze", "-c", checkpoint], ["m.pb"]),
        "freeze-saved-model": (["freeze", "-c", checkpoint], ["m.savedmodeltf"]),
        "change-bias": (["change-bias", graph, "-b", "O=-1", "H=-2"], ["m.pb"]),
        "compress": (["compress", "--fast", "-i", graph], ["m.pb"]),
        "eval-desc": (["eval-desc", "-m", graph, "-s", str(data)], ["a.npy"]),
        "model-devi": (["model-devi", "-m", graph, checkpoint, "-s", str(data)], ["m.out"]),
        "plot": (["plot", "lcurve", str(curve)], ["m.png"]),
        "convert": (["convert", str(source)], ["data"]),
    }
    found = {
        name: {
            "argv": [*argv, "-o", str(tmp_path / name / ("" if name == "eval-desc" else first))],
            "targets": [str(tmp_path / name / first)],
            "fresh": name == "convert",
        }
        for name, (argv, [first]) in listed.items()
    }
    place = tmp_path / "convert-backend" / "m.dp"
    found["convert-backend"] = {
        "argv": ["convert-backend", str(two_body.checkpoint), str(place)],
        "targets": [str(place)],
    }
    place = tmp_path / "test"
    found["test"] = {
        "argv": [
            *("test", "-m", graph, "-s", str(data), "-d", str(place / "d")),
            *("--json", str(place / "m.json"), "--html", str(place / "m.html")),
            *("--plot", str(place / "m.png")),
        ],
        "targets": [
            str(place / name)
            for name in ("d.e.out", "d.f.out", "d.v_peratom.out", "m.json", "m.html", "m.png")
        ],
    }
    for name in found:
        (tmp_path / name).mkdir()
    return found


@pytest.mark.slow
def test_killed_commands_lose_nothing(commands):
    script = Path(__file__).with_name("killed_commands.py")
    chosen = commands if KILLS else {name: commands[name] for name in QUICK}
    task = {"commands": chosen, "kills": max(KILLS, 1), "seed": 0}
    done = processes.run([sys.executable, script, json.dumps(task)])
    assert done.returncode == 0, done.stderr
    lines = map(json.loads, done.stdout.splitlines())
    results = {name: result for line in lines for name, result in line.items()}
    assert results.keys() == chosen.keys()
    assert {name: result["faults"] for name, result in results.items() if result["faults"]} == {}
    assert all(result["killed"] == task["kills"] for result in results.values())
