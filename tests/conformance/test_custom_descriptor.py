"""A descriptor from outside the package, frozen, in an unmodified LAMMPS."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from deepattn import DeepPot
from deepattn.cli.main import main
from deepattn.config import DESCRIPTORS
from tests.examples.outside import EXAMPLES, forget, install

from .deepmd_kit import DP220, DP320, deepmd_lammps
from .lammps import read_dump, read_thermo, script, write_data

TYPE_MAP = ["Ag", "Pd", "Au"]


@pytest.fixture(scope="module")
def graph(tmp_path_factory) -> Path:
    """The frozen model of a few steps."""
    folder = tmp_path_factory.mktemp("custom")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(install("custom_descriptor", folder)))
        forget(patch, DESCRIPTORS)
        patch.chdir(folder)
        data = json.loads((EXAMPLES / "custom_descriptor" / "input.json").read_text())
        systems = {"systems": str(EXAMPLES / "alloy" / "data" / "valid"), "batch_size": 2}
        data["training"] |= {"training_data": systems, "validation_data": None, "numb_steps": 4}
        Path("input.json").write_text(json.dumps(data))
        assert main(["train", "input.json"]) == 0
        assert main(["freeze", "-o", "radial.pb"]) == 0
        sys.modules.pop("radial", None)
    return folder / "radial.pb"


@pytest.mark.parametrize("deepmd", [DP320, DP220], ids=lambda deepmd: deepmd.name)
def test_lammps(deepmd, graph: Path, tmp_path: Path) -> None:
    deepmd.require()
    rng = np.random.default_rng(4)
    edge = 8.1
    grid = np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    coord = grid * edge / 3 + rng.normal(scale=0.1, size=(27, 3))
    atype = rng.integers(0, 3, 27)
    names = [TYPE_MAP[kind] for kind in atype]
    cell = np.eye(3) * edge
    write_data(tmp_path / "data.lmp", coord, names, TYPE_MAP, cell)
    deepmd_lammps(deepmd, script(graph, " ".join(TYPE_MAP)), tmp_path)
    with DeepPot(graph) as pot:
        energy, force, virial = pot.eval(coord[None], cell.reshape(1, 9), atype)
    [rows] = read_dump(tmp_path)
    thermo = read_thermo(tmp_path)
    np.testing.assert_allclose(rows[:, 3:6], force[0], rtol=0, atol=1e-10)
    np.testing.assert_allclose(thermo["pe"][0], energy[0, 0], rtol=0, atol=1e-9)
    np.testing.assert_allclose(thermo["virial"][0], virial[0], rtol=0, atol=1e-8)
