"""The comparison of selected frames with random ones: its inputs, and the table of the page."""

import json
import runpy
from pathlib import Path

import pytest
from ase.build import bulk
from small_models import SMALLEST

from deepattn.learn import read_learn

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "examples" / "learn" / "selection"


def test_the_table_is_that_of_the_results():
    table = runpy.run_path(str(FOLDER / "table.py"))["table"]()
    assert table in (ROOT / "docs" / "learn.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name, criterion, nseeds",
    [
        ("aluminium", "uncertainty", 3),
        ("alloy", "uncertainty", 3),
        ("alloy-ensemble", "deviation", 5),
    ],
)
def test_results_are_complete(name, criterion, nseeds):
    """All seeds, both kinds of frames, equal numbers of labels, and one start for both."""
    results = json.loads((FOLDER / f"{name}-results.json").read_text(encoding="utf-8"))
    assert results["versions"]["tensorflow"] and results["seconds"] > 0
    labels = {
        (seed, kind): [
            run["labels"] for run in results["runs"] if (run["seed"], run["frames"]) == (seed, kind)
        ]
        for seed in range(1, nseeds + 1)
        for kind in ("selected", "random")
    }
    for seed in range(1, nseeds + 1):
        assert len(labels[seed, "selected"]) == 3
        assert labels[seed, "selected"] == labels[seed, "random"]
        first = [r["hot"] for r in results["runs"] if r["seed"] == seed][::3]
        assert first[0] == first[1]
    config, model = read_learn(FOLDER / f"{name}.json")
    assert config.select.criterion == criterion and model["model"]["descriptor"]


@pytest.mark.slow
def test_both_loops_run_and_resume(tmp_path):
    """At the smallest scale: one start, equal numbers of labels, an error for each model."""
    script = runpy.run_path(str(FOLDER / "compare.py"))
    script["compare"].__globals__["ROUNDS"] = 1
    content = json.loads((FOLDER / "alloy-ensemble.json").read_text(encoding="utf-8"))
    learn = content["learn"]
    learn["explore"] |= {"temperatures": [900], "runs": 2, "steps": 20}
    learn["select"] |= {"low": 0.0, "high": 1000.0, "frames": 2, "judged": 1}
    learn |= {"ensemble": 2, "seed_frames": {"copies": 1, "frames": 3}}
    learn["later"]["numb_steps"] = content["training"]["numb_steps"] = 10
    content["model"] = SMALLEST
    (tmp_path / "input.json").write_text(json.dumps(content))
    config, model = read_learn(tmp_path / "input.json")
    case = script["Case"]("copper", [bulk("Cu", cubic=True)], {"hot": (900.0, 3)}, [1])
    folder = tmp_path / "work"
    results = script["compare"](case, config, model, folder)
    labels = {
        kind: [run["labels"] for run in results["runs"] if run["frames"] == kind]
        for kind in ("selected", "random")
    }
    first, last = labels["selected"]
    assert labels["random"] == [first, last] and first == 3 < last
    errors = [run["hot"]["force"] for run in results["runs"]]
    assert errors[0] == errors[2] and len(set(errors)) == 3
    again = script["compare"](case, config, model, folder)
    assert again["runs"] == results["runs"]
