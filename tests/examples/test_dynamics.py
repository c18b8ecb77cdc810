"""The analysis of molecular dynamics on the page of results; LAMMPS runs in parts, none twice."""

import json
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.units import kB
from example_scripts import modules_of
from small_models import model_section, small_model

from deepattn.config import normalize_model
from deepattn.errors import DataError
from deepattn.export import freeze

from ..conformance.deepmd_kit import DP320

ROOT = Path(__file__).resolve().parents[2]
ELEMENTS = ("Ag", "Pd")


@pytest.fixture(scope="module")
def scripts():
    with modules_of(ROOT / "examples" / "results") as modules:
        yield modules


@pytest.fixture
def dynamics(scripts):
    atoms = bulk("Ag", "fcc", a=4.0, cubic=True)
    atoms.symbols[:2] = "Pd"
    return scripts.lammps_run.Dynamics(
        atoms,
        ELEMENTS,
        temperature=300.0,
        timestep=1e-3,
        equilibration=0.004,
        parts=1,
        length=0.006,
        every=0.002,
    )


def test_temperature_of_bonds_that_are_springs(scripts):
    """The mean of the field's divergence is exact, not that of a harmonic approximation."""
    temperature, stiffness, rest, count = 300.0, 30.0, 1.0, 400
    # Directions are equally likely, so a length has the weight of its sphere.
    lengths = np.linspace(0.7, 1.3, 4001)
    weights = lengths**2 * np.exp(-stiffness * (lengths - rest) ** 2 / (2 * kB * temperature))
    bonds = np.interp((np.arange(count) + 0.5) / count, weights.cumsum() / weights.sum(), lengths)
    away = np.random.default_rng(1).normal(size=(count, 3))
    away /= np.linalg.norm(away, axis=1)[:, None]
    places = 5.0 * np.stack(np.unravel_index(np.arange(count), (20, 20, 1)), axis=1)
    forces = -stiffness * (bonds - rest)[:, None] * away
    atoms = Atoms(
        ["O"] * count + ["H"] * count, np.concatenate([places, places + bonds[:, None] * away])
    )
    atoms.calc = SinglePointCalculator(atoms, forces=np.concatenate([-forces, forces]))
    (found,) = scripts.configurational.configurational_temperature([atoms], ("H", "O"))
    assert found == pytest.approx(temperature, rel=0.01)


def test_displacement_of_a_random_walk_and_of_a_drift(scripts):
    random = np.random.default_rng(1)
    steps = random.normal(scale=0.1, size=(400, 50, 3))
    positions = np.cumsum(steps, axis=0) + np.arange(400)[:, None, None] * 0.3
    frames = [Atoms(["Ag"] * 50, places) for places in positions]
    found = scripts.lammps_run.mean_square_displacement(frames, "Ag", 10)
    # One of fifty atoms is taken by the center of mass.
    expected = 3 * 0.1**2 * np.arange(11) * 49 / 50
    assert found == pytest.approx(expected, rel=0.05, abs=1e-12)


def test_whole_molecules_are_counted(scripts):
    water = Atoms("OHHOHH", [[0, 0, 0], [1, 0, 0], [0, 1, 0], [5, 5, 5], [6, 5, 5], [5, 6, 5]])
    water.set_cell([10, 10, 10])
    water.pbc = True
    assert scripts.dynamics.whole_molecules(water) == 2
    water.positions[4, 0] = 7.0
    assert scripts.dynamics.whole_molecules(water) == 1


@pytest.mark.conformance
def test_lammps_runs_each_part_once(scripts, dynamics, tmp_path):
    graph = tmp_path / "model.pb"
    section = {"rcut": 3.5, "attn_layer": 0}
    script = {"model": normalize_model(model_section(section, type_map=list(ELEMENTS)))}
    freeze(small_model(section, type_map=list(ELEMENTS)), graph, training_script=script)
    lmp = DP320.require().root / "bin" / "lmp"
    folder = tmp_path / "run"
    dynamics.carry_out(lmp, graph, folder, "")
    frames = dynamics.frames(folder)
    trajectory, temperatures = dynamics.energies(folder)
    assert len(frames) == len(trajectory.time) == 3
    assert trajectory.time == pytest.approx(0.004 + 0.002 * np.arange(1, 4))
    assert np.ptp(trajectory.energy) < 1e-4
    assert 0 < temperatures.mean() < 600
    assert frames[0].get_chemical_symbols() == dynamics.atoms.get_chemical_symbols()
    assert dynamics.seconds_per_step(folder) > 0
    assert dynamics.broke_at(folder) is None
    # Nothing is left to do, so no program is needed, until a part is not finished.
    dynamics.carry_out(Path("/nowhere/lmp"), graph, folder, "")
    (folder / "part-1.restart").unlink()
    with pytest.raises(DataError, match="/nowhere/lmp"):
        dynamics.carry_out(Path("/nowhere/lmp"), graph, folder, "")


def test_a_missing_or_failing_lammps_gives_one_sentence(dynamics, tmp_path):
    with pytest.raises(DataError, match="/nowhere/lmp: there is no such program; give DeePMD-kit"):
        dynamics.carry_out(Path("/nowhere/lmp"), tmp_path / "model.pb", tmp_path / "run", "")
    program = tmp_path / "lmp"
    program.write_text("#!/bin/sh\necho 'ERROR: Lost atoms' > part-0.log; exit 1\n")
    program.chmod(0o755)
    with pytest.raises(DataError, match=r"part-0\.log: LAMMPS failed: ERROR: Lost atoms"):
        dynamics.carry_out(program, tmp_path / "model.pb", tmp_path / "run", "")


def test_a_run_counts_until_its_energy_jumps(dynamics, tmp_path):
    totals = [-9.0, -9.001, -9.0, -9.002, -8.9, -9.0]
    lines = ["", "   Step          Temp  ", "     0 300 -9 -9 0"]
    lines += [f"{6 + 2 * k} {300 + k} -9 {total} 0" for k, total in enumerate(totals)]
    (tmp_path / "part-1.log").write_text("\n".join([*lines, "Loop time of 1.2 on 1 procs", ""]))
    (tmp_path / "part-1.restart").touch()
    head = ["ITEM: NUMBER OF ATOMS", "4", "ITEM: BOX BOUNDS pp pp pp", *["0 4"] * 3]
    atoms = ["ITEM: ATOMS id element xu yu zu", *(f"{k} Ag 0 0 {k}" for k in range(1, 5))]
    rest = "\n".join([*head, *atoms])
    dump = "".join(f"ITEM: TIMESTEP\n{2 * k}\n{rest}\n" for k in range(7))
    (tmp_path / "part-1.dump").write_text(dump)
    assert dynamics.broke_at(tmp_path) == pytest.approx(14e-3 - 0.004)
    trajectory, temperatures = dynamics.energies(tmp_path)
    assert temperatures.tolist() == [300, 301, 302, 303]
    assert len(trajectory.time) == len(dynamics.frames(tmp_path)) == 4
    assert dynamics.seconds_per_step(tmp_path) == pytest.approx(1.2 / 6)


def test_the_recorded_runs(scripts):
    runs = json.loads(scripts.record.RUNS.read_text())
    assert runs.keys() == scripts.dynamics.SYSTEMS.keys()
    for run in runs.values():
        assert run["time"] == 100
        assert run["broke_at"] is None or run["broke_at"] < 100
