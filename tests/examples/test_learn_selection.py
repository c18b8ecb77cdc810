"""The comparison of selected frames with random ones: its inputs, and the table of the page."""

import json
import runpy
from pathlib import Path

import pytest

from deepattn.learn import read_learn

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "examples" / "learn" / "selection"


def test_the_table_is_that_of_the_results():
    table = runpy.run_path(str(FOLDER / "table.py"))["table"]()
    assert table in (ROOT / "docs" / "learn.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name, criterion",
    [("aluminium", "uncertainty"), ("alloy", "uncertainty"), ("alloy-ensemble", "deviation")],
)
def test_results_are_complete(name, criterion):
    """Three seeds, both kinds of frames, equal numbers of labels, and one start for both."""
    results = json.loads((FOLDER / f"{name}-results.json").read_text(encoding="utf-8"))
    assert results["versions"]["tensorflow"] and results["seconds"] > 0
    labels = {
        (seed, kind): [
            run["labels"] for run in results["runs"] if (run["seed"], run["frames"]) == (seed, kind)
        ]
        for seed in (1, 2, 3)
        for kind in ("selected", "random")
    }
    for seed in (1, 2, 3):
        assert len(labels[seed, "selected"]) == 3
        assert labels[seed, "selected"] == labels[seed, "random"]
        first = [r["hot"] for r in results["runs"] if r["seed"] == seed][::3]
        assert first[0] == first[1]
    config, model = read_learn(FOLDER / f"{name}.json")
    assert config.select.criterion == criterion and model["model"]["descriptor"]
