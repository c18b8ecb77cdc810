"""Exploration by LAMMPS: its frames, energies and deviations are ours."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from small_models import small_model

from deepattn.distill.config import SelectConfig
from deepattn.distill.potential import ModelPotential
from deepattn.distill.select import select
from deepattn.distill.validate import force_deviations
from deepattn.export import freeze
from deepattn.learn.dynamics.config import LearnExploreConfig
from deepattn.learn.dynamics.engine import Exploration

from .deepmd_kit import DP320
from .systems import TRICLINIC, scatter

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("dpdispatcher") is None, reason="dpdispatcher is not installed"
)
STEPS, EVERY = 12, 2
# Of the columns of DeePMD-kit's file of deviations.
MAX_DEVI_F = 4


def structures() -> list[Atoms]:
    """A cell that is not lower triangular, with an atom outside it, and a molecule."""
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    coord = scatter(np.random.default_rng(2), TRICLINIC, 6, closest=1.6, periodic=True)
    coord[2] += TRICLINIC[0] - TRICLINIC[2]
    crystal = Atoms("HOHHOH", coord @ turn, cell=TRICLINIC @ turn, pbc=True)
    return [crystal, Atoms("OHH", [[0.0, 0.0, 0.0], [1.2, 0.3, 0.0], [-0.3, 0.2, 1.2]])]


def thermo_energies(path: Path) -> dict[int, float]:
    """Potential energies of a log by their steps."""
    rows = [line.split() for line in path.read_text().splitlines()]
    rows = [row for row in rows if len(row) == 5 and row[0].isdigit()]
    return {int(row[0]): float(row[2]) for row in rows}


def test_frames_of_lammps_have_our_energies_and_deviations(tmp_path: Path) -> None:
    DP320.require()
    paths = [
        freeze(
            small_model({"type": "se_e2_a", "seed": seed}, {"seed": seed + 1}),
            tmp_path / f"model-{seed}.pb",
            training_script={},
        )
        for seed in (1, 7)
    ]
    # LAMMPS prints all digits, and the deviations from the second model.
    edit = (
        f"s|model.pb|model.pb {paths[1]} out_file deviation.out out_freq {EVERY}|;"
        "/^thermo_style/a thermo_modify format float %.17g"
    )
    command = f"sed -i '{edit}' in.lammps && {DP320.root}/bin/lmp -in in.lammps"
    given = {
        "temperatures": [400],
        "pressures": [1],
        "runs": 2,
        "timestep": 0.5,
        "engine": {"type": "lammps", "command": command, "wait": 0.5},
    }
    config = LearnExploreConfig.from_dict(LearnExploreConfig.complete(given, "explore"))
    models = [ModelPotential(path) for path in paths]
    exploration = Exploration(
        models[0], structures(), config, STEPS, EVERY, closest=0.1, seed=(1, 1), title="dynamics"
    )
    folder = tmp_path / "dynamics"
    found = config.engine.open().explore(exploration, folder)
    assert (found.runs, found.stopped) == (2, {})
    assert found.atom_steps == STEPS * (6 + 3) and found.seconds > 0

    steps = list(range(EVERY, STEPS + 1, EVERY))
    assert [atoms.info["step"] for atoms in found.frames] == 2 * steps
    labels = models[0].evaluate(found.frames)
    deviations = force_deviations([model.evaluate(found.frames) for model in models], found.frames)
    theirs = []
    for run in exploration.runs:
        place = folder / f"part-{run.number}"
        energies = thermo_energies(place / "log.lammps")
        rows = [row for row, atoms in enumerate(found.frames) if atoms.info["run"] == run.number]
        np.testing.assert_allclose(
            [labels[row].energy for row in rows], [energies[step] for step in steps], atol=1e-9
        )
        # The first row is of the structure.
        theirs += np.loadtxt(place / "deviation.out")[1:, MAX_DEVI_F].tolist()
        check_orientation(run.atoms, [found.frames[row] for row in rows])
    # They print seven digits.
    np.testing.assert_allclose(deviations, theirs, rtol=1e-6)
    low, high = np.quantile(theirs, [0.2, 0.8])
    section = {"criterion": "deviation", "low": low, "high": high, "frames": 100, "judged": 1}
    chosen = SelectConfig.from_dict(section)
    np.testing.assert_array_equal(
        select(deviations, chosen, seed=1), select(np.array(theirs), chosen, seed=1)
    )


def check_orientation(start: Atoms, frames: list[Atoms]) -> None:
    """That atoms stay near where they started, and that a cell keeps its shape."""
    for atoms in frames:
        assert atoms.get_chemical_symbols() == start.get_chemical_symbols()
        assert (atoms.pbc == start.pbc).all()
        if start.pbc.all():
            scale = (atoms.get_volume() / start.get_volume()) ** (1 / 3)
            assert abs(scale - 1) < 0.05
            np.testing.assert_allclose(atoms.cell / scale, start.cell, atol=1e-9)
        # 6 fs of atoms that move by less than 0.1 Å/fs.
        assert np.abs(atoms.positions - start.positions).max() < 0.6
        assert np.abs(atoms.positions - start.positions).max() > 1e-4
