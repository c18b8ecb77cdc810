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
from deepattn.testing.conservation import (
    Conservation,
    Trajectory,
    check_conservation,
    constant_energy_run,
)


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


class Rounded(Rubbed):
    """EMT with an energy that knows tenths of eV."""

    def __init__(self):
        super().__init__(push=0.0)

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        super().calculate(atoms, properties, system_changes)
        self.results["energy"] = round(self.results["energy"], 1)


@pytest.fixture
def copper():
    atoms = bulk("Cu", cubic=True).repeat((2, 2, 2))
    atoms.calc = EMT()
    return atoms


def test_a_smooth_potential_conserves_the_energy(copper):
    before = copper.positions.copy()
    found = check_conservation(copper, temperature=600, timestep=4.0, steps=60)
    np.testing.assert_array_equal(copper.positions, before)
    assert found.coarse.time[-1] == found.fine.time[-1] == pytest.approx(0.24)
    assert found.coarse.energy[0] == found.fine.energy[0] == 0
    assert 3.5 < found.coarse.swing / found.fine.swing < 4.5
    # The error of second order cancels.
    assert found.extrapolated.swing < found.fine.swing / 5
    conserved, sentence = found.verdict(limit=1e-3)
    assert conserved and sentence == "The energy is conserved."


def test_work_that_is_no_energy_is_a_drift(copper):
    copper.calc = Rubbed(push=0.02)
    found = check_conservation(copper, temperature=600, timestep=2.0, steps=100)
    drift, error = found.extrapolated.drift
    # Its power is push · v², and half of the 600 K stays with the velocities.
    power = 0.02 * 3 * units.kB * 300 / copper.get_masses()[0] * 1000 * units.fs
    assert drift == pytest.approx(power, rel=0.5) and drift > 10 * error
    conserved, sentence = found.verdict(limit=1e-5)
    assert not conserved and sentence.startswith("The energy drifts by")


def test_an_energy_that_jumps_is_rough(copper):
    """An energy with few digits: no time step helps."""
    copper.calc = Rounded()
    found = check_conservation(copper, temperature=600, timestep=2.0, steps=100)
    conserved, sentence = found.verdict(limit=1e3)
    assert not conserved and "not the derivative of a smooth energy" in sentence


def test_more_steps_are_asked_for(copper):
    found = check_conservation(copper, temperature=600, timestep=4.0, steps=20)
    conserved, sentence = found.verdict(limit=1e-12)
    assert not conserved
    assert "run more steps" in sentence or "drifts" in sentence


@pytest.mark.parametrize("end", [5.0, np.nan])
def test_running_away_is_seen(end):
    time = np.linspace(0, 1, 201)
    coarse = 1e-4 * np.sin(50 * time)
    fine = np.interp(np.linspace(0, 1, 401), time, coarse / 4)
    fine[-20:] += end * np.linspace(0, 1, 20) ** 2
    found = Conservation(Trajectory(time, coarse), Trajectory(np.linspace(0, 1, 401), fine))
    conserved, sentence = found.verdict(limit=1e-5)
    assert not conserved and "diverges" in sentence


def test_slope_and_swing_by_hand():
    time = np.linspace(0, 2, 2001)
    swing = 1e-3 * np.sin(2 * np.pi * 50 * time)
    found = Trajectory(time, 5e-4 * time + swing)
    drift, error = found.drift
    assert drift == pytest.approx(5e-4, abs=3 * error) and error < 1e-5
    assert found.swing == pytest.approx(1e-3 / np.sqrt(2), rel=1e-2)


def test_too_few_steps_are_refused(copper, capsys):
    with pytest.raises(ValueError, match="steps must be at least 10, not 5"):
        constant_energy_run(copper, temperature=300, timestep=1.0, steps=5)
    with pytest.raises(SystemExit):
        main(["check-nve", "model.pb", "x.xyz", "--steps", "5"])
    assert "5 steps are too few" in capsys.readouterr().err


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
    assert out.endswith("The energy is conserved.\n")
    assert picture.stat().st_size > 1000
    assert main(["check-nve", *arguments, "--plot", str(tmp_path / "energy.xyz")]) == 1
    assert "unknown picture format" in capsys.readouterr().err


def test_systems_are_read(graph, tmp_path, capsys):
    folder = tmp_path / "data" / "set.000"
    folder.mkdir(parents=True)
    (tmp_path / "data" / "type.raw").write_text("0 1 1")
    (tmp_path / "data" / "nopbc").touch()
    np.save(folder / "coord.npy", molecule("H2O").positions.reshape(1, 9))
    arguments = ["check-nve", str(graph), str(tmp_path / "data"), "--steps", "10", "--limit", "9"]
    assert main(arguments) == 1
    assert "does not name elements" in capsys.readouterr().err
    (tmp_path / "data" / "type_map.raw").write_text("O H")
    assert main([*arguments, "--temperature", "50"]) == 0
    assert capsys.readouterr().out.startswith("3 atoms")


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
