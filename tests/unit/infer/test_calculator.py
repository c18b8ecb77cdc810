import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import PropertyNotImplementedError
from ase.neighborlist import NewPrimitiveNeighborList
from ase.stress import voigt_6_to_full_3x3_stress

from deepattn.calculator import DP
from deepattn.errors import DataError


@pytest.fixture
def atoms(frames, attention):
    coords, cells, types = frames
    symbols = [["O", "H"][i] for i in types]
    atoms = Atoms(symbols, positions=coords[0], cell=cells[0].reshape(3, 3), pbc=True)
    atoms.calc = DP(attention.graph)
    return atoms


def test_results_are_those_of_the_model(atoms, frames):
    energy, force, virial, atom_energy, _ = atoms.calc.dp.eval(
        frames[0][:1], frames[1][:1], frames[2], atomic=True
    )
    assert atoms.get_potential_energy() == energy[0, 0]
    assert atoms.get_potential_energy(force_consistent=True) == energy[0, 0]
    np.testing.assert_array_equal(atoms.get_forces(), force[0])
    np.testing.assert_array_equal(atoms.get_potential_energies(), atom_energy[0, :, 0])
    np.testing.assert_array_equal(atoms.calc.results["virial"], virial[0].reshape(3, 3))


def test_stress_is_the_derivative_by_strain(atoms):
    stress = voigt_6_to_full_3x3_stress(atoms.get_stress())
    cell, positions, volume = atoms.cell.array.copy(), atoms.positions.copy(), atoms.get_volume()
    for i in range(3):
        for j in range(i + 1):
            energies = []
            for sign in (1, -1):
                strain = np.eye(3)
                strain[i, j] += sign * 5e-6
                strain[j, i] += sign * 5e-6
                atoms.set_cell(cell @ strain)
                atoms.positions = positions @ strain
                energies.append(atoms.get_potential_energy())
            derivative = (energies[0] - energies[1]) / 2e-5 / volume
            assert derivative == pytest.approx(stress[i, j], abs=1e-8)


@pytest.mark.parametrize("pbc", [(1, 1, 0), (0, 1, 0), (1, 0, 1), (0, 0, 0)])
def test_open_directions_are_open(atoms, attention, pbc):
    atoms.pbc = pbc
    atoms.wrap()
    results = atoms.get_potential_energy(), atoms.get_forces()
    wide = atoms.copy()
    for i in np.flatnonzero(np.logical_not(pbc)):
        wide.cell[i] *= 5
    wide.pbc = True
    wide.calc = DP(attention.graph)
    np.testing.assert_allclose(results[0], wide.get_potential_energy(), rtol=0, atol=1e-12)
    np.testing.assert_allclose(results[1], wide.get_forces(), rtol=0, atol=1e-12)


def test_open_systems_need_no_cell_and_have_no_stress(atoms):
    atoms.pbc = False
    energy = atoms.get_potential_energy()
    atoms.cell = np.zeros((3, 3))
    assert atoms.get_potential_energy() == energy
    with pytest.raises(PropertyNotImplementedError):
        atoms.get_stress()


def test_neighbor_list_of_ase(atoms, attention):
    expected = atoms.get_forces()
    listed = NewPrimitiveNeighborList(np.full(8, 1.6), bothways=True, self_interaction=False)
    atoms.calc = DP(attention.graph, neighbor_list=listed)
    np.testing.assert_allclose(atoms.get_forces(), expected, rtol=0, atol=1e-12)


def test_elements(atoms, attention):
    energy = atoms.get_potential_energy()
    atoms.symbols = ["C" if symbol == "O" else symbol for symbol in atoms.symbols]
    with pytest.raises(DataError, match="the model has no type for C; its elements are O H"):
        atoms.get_potential_energy()
    atoms.calc = DP(attention.checkpoint, type_dict={"C": 0, "H": 1})
    assert atoms.get_potential_energy() == pytest.approx(energy, abs=1e-12)


def test_parameters_come_from_info(atoms, with_parameters):
    atoms.calc = DP(with_parameters.graph)
    with pytest.raises(DataError, match="fparam is missing"):
        atoms.get_potential_energy()
    atoms.info.update(fparam=[0.1, 0.2], aparam=np.ones((8, 1)))
    assert np.isfinite(atoms.get_potential_energy())
