"""D3 dispersion in the ASE calculator."""

import sys

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.stress import voigt_6_to_full_3x3_stress

from deepattn.calculator import DP
from deepattn.dispersion import Dispersion
from deepattn.errors import ConfigError, DataError


@pytest.fixture(scope="module")
def crystal():
    atoms = Atoms("H2OOH", positions=np.arange(15.0).reshape(5, 3) % 4.1 * 1.1, pbc=True)
    atoms.set_cell([[5.0, 0, 0], [0.7, 5.2, 0], [0.3, 0.1, 5.4]])
    return atoms


def test_the_energy_of_a_molecule_is_that_of_dftd3(attention):
    """As its command-line program gives it for PBE-D3(BJ)."""
    from dftd3.ase import DFTD3

    atoms = molecule("H2O")
    expected = atoms.copy()
    expected.calc = DFTD3(method="pbe", damping="d3bj")
    found = Dispersion("pbe").evaluate(atoms)
    assert found.energies.sum() == pytest.approx(expected.get_potential_energy(), rel=1e-12)
    np.testing.assert_allclose(found.forces, expected.get_forces(), rtol=0, atol=1e-12)
    assert found.energies.sum() < 0


def test_everything_is_added(crystal, attention):
    plain, with_d3 = DP(attention.graph), DP(attention.graph, d3="pbe")
    for calculator in (plain, with_d3):
        calculator.calculate(crystal, ["energy", "stress"])
    added = Dispersion("pbe").evaluate(crystal)
    volume = crystal.get_volume()
    for name, values in {
        "energy": added.energies.sum(),
        "free_energy": added.energies.sum(),
        "energies": added.energies,
        "forces": added.forces,
        "virial": added.virial,
    }.items():
        difference = with_d3.results[name] - plain.results[name]
        np.testing.assert_allclose(difference, values, rtol=0, atol=1e-10, err_msg=name)
    stress = with_d3.results["stress"] - plain.results["stress"]
    found = voigt_6_to_full_3x3_stress(stress) * volume
    np.testing.assert_allclose(found, -added.virial, rtol=0, atol=1e-10)


@pytest.mark.parametrize("pbc", [(1, 1, 1), (1, 1, 0), (0, 0, 0)])
def test_forces_and_virials_are_derivatives(crystal, pbc):
    atoms, step = crystal.copy(), 1e-4
    atoms.pbc = pbc
    dispersion = Dispersion("pbe", "zero")
    found = dispersion.evaluate(atoms)
    rng = np.random.default_rng(1)
    direction, strain = rng.normal(size=(5, 3)), rng.normal(size=(3, 3)) * np.outer(pbc, pbc)

    def energies(change):
        for sign in (1, -1):
            moved = atoms.copy()
            change(moved, sign * step)
            yield dispersion.evaluate(moved).energies.sum()

    def move(moved, x):
        moved.positions += x * direction

    def stretch(moved, x):
        moved.set_cell(moved.cell @ (np.eye(3) + x * strain), scale_atoms=False)
        moved.positions = moved.positions @ (np.eye(3) + x * strain)

    for change, along in (
        (move, -np.sum(found.forces * direction)),
        (stretch, -np.sum(found.virial * strain)),
    ):
        first, last = energies(change)
        # Pairs leave the cutoff of dftd3 abruptly when a cell is strained.
        assert (first - last) / (2 * step) == pytest.approx(along, rel=2e-3, abs=1e-8)


def test_what_it_cannot_do_is_said(crystal, monkeypatch):
    with pytest.raises(ConfigError, match="no parameters of D3 for the functional 'my own'"):
        Dispersion("my own")
    with pytest.raises(ConfigError, match="damping of D3 is 'none'; it must be bj or zero"):
        Dispersion("pbe", "none")
    unknown = crystal.copy()
    unknown.numbers[:2] = 0, 104
    with pytest.raises(DataError, match="no dispersion coefficients for Rf, X"):
        Dispersion("pbe").evaluate(unknown)
    monkeypatch.setitem(sys.modules, "dftd3.interface", None)
    with pytest.raises(ConfigError, match="needs dftd3: pip install dftd3"):
        Dispersion("pbe")
