"""Every notebook runs from its first cell to its last, and is stored without what it printed."""

import re
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "examples/notebooks").glob("*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    """One of the notebooks, as data."""
    return nbformat.read(request.param, as_version=4)


def test_outputs_are_not_stored(notebook):
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert cells
    assert all(not cell.outputs and cell.execution_count is None for cell in cells)


@pytest.mark.slow
def test_runs(notebook, monkeypatch, tmp_path):
    from nbclient import NotebookClient

    # The published model takes longer; without it a notebook trains a small one.
    monkeypatch.setenv("DEEPATTN_SHARED", str(tmp_path))
    folder = NOTEBOOKS[0].parent
    monkeypatch.setenv("PYTHONPATH", str(folder.parents[1]))
    for cell in notebook.cells:  # that it runs is tested, not what the trainings reach
        cell.source = re.sub(r"\b((?:numb_)?steps=)(?:300|90)\b", r"\g<1>40", cell.source)
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}})
    client.execute()
    pictures = [
        output
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    assert pictures
