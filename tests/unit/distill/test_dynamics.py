"""Many runs at once move as one by one, and bad ones end without the others."""

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT

from deepattn.distill.config import ExploreConfig
from deepattn.distill.dynamics import Condition, run_dynamics
from deepattn.distill.explore import explore
from deepattn.distill.potential import Labels
from deepattn.errors import ConfigError, DataError

from .metals import alloy, teacher

SETTINGS = {"timestep": 4.0, "steps": 20, "every": 5, "closest": 0.6}


def _explore(potential, structures, *, pressures=(0.0,), temperatures=(300.0, 900.0)):
    config = ExploreConfig(
        temperatures=temperatures, pressures=pressures, runs=2, timestep=4.0, steps=20, every=5
    )
    return explore(
        potential, structures, config, steps=20, every=5, closest=0.6, seed=[1, 2], title="test"
    )


def test_runs_together_are_runs_alone():
    found = _explore(teacher(), [alloy()])
    assert (found.runs, found.stopped, len(found.frames)) == (4, {}, 16)
    assert found.atom_steps >= 4 * 4 * 20 and found.seconds > 0
    for number, temperature in enumerate((300.0, 900.0, 300.0, 900.0)):
        alone = run_dynamics(
            alloy(), EMT(), Condition(temperature, 0.0), seed=[1, 2, number], **SETTINGS
        )
        frames = [atoms for atoms in found.frames if atoms.info["run"] == number]
        for one, other in zip(alone.frames, frames, strict=True):
            np.testing.assert_allclose(one.positions, other.positions, atol=1e-9)
            np.testing.assert_allclose(one.cell, other.cell, atol=1e-9)
            assert one.info["step"] == other.info["step"]


def test_pressure_moves_the_volume_and_null_does_not():
    squeezed = _explore(teacher(), [alloy()], pressures=(40.0,), temperatures=(300.0,))
    assert squeezed.frames[-1].get_volume() < 0.97 * alloy().get_volume()
    fixed = _explore(teacher(), [alloy()], pressures=None, temperatures=(300.0,))
    np.testing.assert_array_equal(fixed.frames[-1].cell, alloy().cell)


class Hole(Calculator):
    """Atoms fall into each other."""

    implemented_properties = ("energy", "forces")

    def __init__(self, strength):
        super().__init__()
        self.strength = strength

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        super().calculate(atoms, properties, system_changes)
        away = self.atoms.positions - self.atoms.positions.mean(axis=0)
        self.results = {"energy": 0.0, "forces": -self.strength * away}


@pytest.mark.parametrize(("strength", "reason"), [(0.2, "close"), (500.0, "hot")])
def test_a_run_that_goes_wrong_ends(strength, reason):
    atoms = Atoms("Au2", positions=[[0, 0, 0], [0, 0, 3.0]])
    settings = SETTINGS | {"steps": 2000, "every": 1}
    found = run_dynamics(atoms, Hole(strength), Condition(300.0, None), seed=1, **settings)
    assert reason in found.stopped and len(found.frames) < 2000


class Picky:
    """Gives no numbers for gold."""

    name, elements = "picky", None

    def evaluate(self, frames):
        if any("Au" in atoms.get_chemical_symbols() for atoms in frames):
            raise DataError("not finite")
        return [Labels(0.0, np.zeros((len(atoms), 3)), np.zeros(9)) for atoms in frames]


def test_one_frame_without_numbers_ends_one_run_only():
    found = _explore(Picky(), [alloy(), alloy(element="Ag")])
    assert found.stopped == {"no finite energy": 2}
    assert len(found.frames) == 8
    assert not any("Au" in atoms.get_chemical_symbols() for atoms in found.frames)


class Stressless(Picky):
    """Knows no virial, as many a calculator."""

    def evaluate(self, frames):
        return [Labels(0.0, np.zeros((len(atoms), 3)), None) for atoms in frames]


def test_no_pressure_without_a_stress():
    with pytest.raises(ConfigError, match="set distill/explore/pressures to null"):
        _explore(Stressless(), [alloy()])
    assert len(_explore(Stressless(), [alloy()], pressures=None).frames) == 16


class Broken(Picky):
    """A fault of the program's."""

    def evaluate(self, frames):
        raise ZeroDivisionError


def test_a_fault_of_the_program_is_not_a_stop():
    with pytest.raises(ZeroDivisionError):
        _explore(Broken(), [alloy()])
