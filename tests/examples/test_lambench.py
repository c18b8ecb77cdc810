"""The tests of LAMBench: formulas, cells, structures, and the graphs that they run."""

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from ase import units
from ase.build import bulk
from ase.calculators.emt import EMT
from example_scripts import modules_of
from small_models import model_section, small_model

from deepattn import DP, ops
from deepattn.export import freeze
from deepattn.formats.allowed_ops import DEEPATTN_OPS
from deepattn.formats.frozen import read_frozen

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "results"


@pytest.fixture(scope="module")
def scripts():
    with modules_of(FOLDER) as modules:
        yield modules


def test_drift_and_instability_are_those_of_lambench(scripts):
    """2e-3 eV/atom/ps by its formula are 0.6 orders above 5e-4; a run that broke counts 5."""
    lambench = scripts.lambench
    times = np.arange(81) * 100 * units.fs
    assert lambench.drift(3.0 - 2e-6 * times, 100) == pytest.approx(2e-3)
    runs = [{"steps": 10, "drift": value} for value in (2e-3, 1e-9, 5e3)]
    expected = [np.log10(4), 0.0, 5.0]
    for run, value in zip(runs, expected, strict=True):
        assert lambench.instability([run], 10) == pytest.approx(value)
    assert lambench.instability(runs, 10) == pytest.approx(np.mean(expected))
    assert lambench.instability(runs, 11) == 5.0
    assert lambench.instability([{"steps": 10, "drift": None}], 10) == 5.0


def test_cells_are_enlarged_evenly(scripts):
    cell = bulk("Cu", "fcc", a=3.6, cubic=True) * (1, 2, 3)
    large = scripts.lambench.enlarged(cell, 1000)
    assert 800 < len(large) <= 1000
    assert large.cell.lengths().max() < 2 * large.cell.lengths().min()


def test_structures_at_constant_energy(scripts, tmp_path, monkeypatch):
    """A clone of two structures, one of elements that the model does not know."""
    lambench = scripts.lambench
    place = tmp_path / "clone" / lambench._STRUCTURES
    place.parent.mkdir(parents=True)
    place.write_text(
        "from ase.build import bulk\n"
        "TEST_DATA = [bulk('Cu', 'fcc', a=3.6, cubic=True), bulk('Fe', 'bcc', a=2.9)]\n"
    )
    monkeypatch.setattr(lambench, "RESULTS", tmp_path / "lambench.json")
    monkeypatch.setattr(lambench, "MODELS", {"EMT": lambda options: "model"})
    monkeypatch.setattr(lambench, "_CELLS", 2)
    monkeypatch.setattr(lambench, "read_atoms", lambda folder: [bulk("Cu"), bulk("Fe")])

    class Known(EMT):
        type_dict: ClassVar[dict] = {"Cu": 0}

        def __init__(self, path):
            super().__init__()

    monkeypatch.setattr(lambench, "DP", Known)
    (tmp_path / "data/mptrj/mixed/valid").mkdir(parents=True)
    options = ["--data", str(tmp_path / "data"), "-o", str(tmp_path / "runs"), "--steps", "50"]
    for _ in range(2):
        lambench.main(["--lambench", str(tmp_path / "clone"), *options])
    (found,) = lambench.read_models().values()
    assert found["structures"] == 2 and list(found["runs"]) == ["Cu4"]
    run = found["runs"]["Cu4"]
    assert run["steps"] == 50 and run["drift"] < 0.1 and run["milliseconds"] > 0
    assert found["efficiency"]["cells"] == 1 and 800 < found["efficiency"]["atoms"] <= 1000
    with pytest.raises(SystemExit, match=r"nve_md_data\.py: there is no such file; give a clone"):
        lambench.main(["--lambench", str(tmp_path), *options])


@pytest.mark.skipif(ops.fast_library() is None, reason="the compiled ops are not there")
def test_a_published_graph_gets_deepattns_operations(scripts, tmp_path):
    section = {"type": "se_atten", "sel": 20, "attn_layer": 2}
    script = {"model": model_section(section)}
    source = freeze(small_model(section), tmp_path / "stock.pb", training_script=script)
    graph = scripts.lambench.fast_graph(source, tmp_path / "new")
    kinds = [
        {node.op for node in read_frozen(path).graph.nodes.values()} for path in (source, graph)
    ]
    assert [bool(found & DEEPATTN_OPS) for found in kinds] == [False, True]
    atoms = bulk("Cu", "fcc", a=3.6, cubic=True)
    names = dict.fromkeys(["Cu"], 0)
    forces = []
    for path in (source, graph):
        atoms.calc = DP(path, type_dict=names)
        forces.append(atoms.get_forces())
    np.testing.assert_allclose(*forces, atol=1e-8)
    written = graph.stat().st_mtime_ns
    assert scripts.lambench.fast_graph(source, tmp_path / "new") == graph
    assert graph.stat().st_mtime_ns == written
