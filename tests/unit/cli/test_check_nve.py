"""Energy drift: of analytic potentials, and of a model through the command line."""

import numpy as np
import pytest
from ase import units
from ase.build import bulk, molecule
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from ase.io import write
from small_models import small_model

from deepattn.cli.main import main
from deepattn.export import freeze
from deepattn.testing.conservation import Trajectory, constant_energy_run


class Rubbed(Calculator):
    """EMT with a force that does work of its own."""

    implemented_properties = ("energy", "forces")

    def __init__(self, push):
        super().__init__()
        self.push = push
        self.emt = EMT()

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        super().calculate(atoms, properties, system_changes)
        copy = self.atoms.copy()
        copy.calc = self.emt
        forces = copy.get_forces()
        # Along the velocities, so that it drives all atoms all the time.
        forces += self.push * self.atoms.get_velocities()
        self.results = {"energy": copy.get_potential_energy(), "forces": forces}


@pytest.fixture
def copper():
    atoms = bulk("Cu", cubic=True).repeat((2, 2, 2))
    atoms.calc = EMT()
    return atoms


def test_a_smooth_potential_conserves_the_energy(copper):
    before = copper.positions.copy()
    coarse, fine = (
        constant_energy_run(copper, temperature=600, timestep=4.0 / n, steps=60 * n) for n in (1, 2)
    )
    np.testing.assert_array_equal(copper.positions, before)
    assert coarse.time[-1] == pytest.approx(0.24) and coarse.energy[0] == 0
    assert 3.5 < coarse.fluctuation / fine.fluctuation < 4.5
    drift, error = fine.drift
    assert abs(drift) < 3 * error


def test_work_that_is_no_energy_is_a_drift(copper):
    copper.calc = Rubbed(push=0.02)
    drift, error = constant_energy_run(copper, temperature=600, timestep=2.0, steps=100).drift
    # Its power is push · v², and half of the 600 K stays with the velocities.
    power = 0.02 * 3 * units.kB * 300 / copper.get_masses()[0] * 1000 * units.fs
    assert drift == pytest.approx(power, rel=0.5) and drift > 10 * error


def test_slope_and_swing_by_hand():
    time = np.linspace(0, 2, 2001)
    swing = 1e-3 * np.sin(2 * np.pi * 50 * time)
    found = Trajectory(time, 5e-4 * time + swing)
    drift, error = found.drift
    assert drift == pytest.approx(5e-4, abs=3 * error) and error < 1e-5
    assert found.fluctuation == pytest.approx(1e-3 / np.sqrt(2), rel=1e-2)


def test_too_few_steps_are_refused(copper):
    with pytest.raises(ValueError, match="steps must be at least 10, not 5"):
        constant_energy_run(copper, temperature=300, timestep=1.0, steps=5)


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    model = small_model({"type": "se_atten_v2", "attn_layer": 0, "sel": 30})
    path = tmp_path_factory.mktemp("graph") / "model.pb"
    return freeze(model, path, training_script={"model": {}})


def test_command(graph, tmp_path, capsys):
    write(tmp_path / "water.xyz", molecule("H2O", vacuum=3.0))
    picture = tmp_path / "energy.png"
    arguments = [str(graph), str(tmp_path / "water.xyz"), "--temperature", "50", "--steps", "20"]
    assert main(["check-nve", *arguments, "--limit", "1", "--plot", str(picture)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("3 atoms, 50 K, 0.01 ps")
    assert "The energy is conserved." in out
    assert picture.stat().st_size > 1000


def test_command_says_when_the_energy_drifts(graph, tmp_path, capsys, monkeypatch):
    write(tmp_path / "cu.xyz", bulk("Cu", cubic=True).repeat((2, 2, 2)))
    monkeypatch.setattr("deepattn.calculator.DP", lambda model: Rubbed(push=0.02))
    arguments = [str(graph), str(tmp_path / "cu.xyz"), "--timestep", "2", "--steps", "60"]
    assert main(["check-nve", *arguments]) == 1
    assert "The energy drifts by" in capsys.readouterr().out


def test_configurations_that_cannot_be_read(graph, tmp_path, capsys):
    (tmp_path / "x.xyz").write_text("two atoms\nand no more\n")
    assert main(["check-nve", str(graph), str(tmp_path / "x.xyz")]) == 1
    assert "ASE cannot read it" in capsys.readouterr().err
    assert main(["check-nve", str(graph), str(tmp_path / "absent.xyz")]) == 1
    assert "No such file" in capsys.readouterr().err
