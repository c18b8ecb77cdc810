"""Signs and units in data whose frames are far from one another, and what is said if it is open."""

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.morse import MorsePotential
from ase.units import Bohr, GPa, Hartree, kcal, kJ, mol

from deepattn.check import DOUBT, FAULT, bonds, check_data
from deepattn.check.factors import explain
from deepattn.check.sample import Frame

from . import metals


@pytest.fixture(scope="module")
def apart():
    """Cells that differ by more than any two frames may that are compared with one another."""
    return metals.frames(metals.ALLOY, nframes=40, shake=0.2, strain=0.05)


@pytest.fixture(scope="module")
def molecules():
    """Methane with Morse bonds, in open boundaries."""
    return _methane()


def _methane(nframes=40):
    random = np.random.default_rng(3)
    corners = np.array([[0, 0, 0], [1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    made = {"coord": [], "energy": [], "force": [], "virial": []}
    for _ in range(nframes):
        atoms = Atoms("CH4", corners * 1.09 / np.sqrt(3) + 0.08 * random.normal(size=(5, 3)))
        # A well of 4.6 eV with the stiffness of C-H, 2 ε (ρ/r)² = 31 eV/Å².
        atoms.calc = MorsePotential(epsilon=4.6, r0=1.09, rho0=2.0, rcut1=1.2, rcut2=1.4)
        force = atoms.get_forces()
        made["coord"].append(atoms.positions.ravel())
        made["energy"].append(atoms.get_potential_energy())
        made["force"].append(force.ravel())
        made["virial"].append((atoms.positions.T @ force).ravel())
    return {name: np.array(values) for name, values in made.items()}


def _molecule(folder, arrays):
    path = metals.write(folder / "data", ["C", "H", "H", "H", "H"], arrays, names=("C", "H"))
    (folder / "data" / "nopbc").touch()
    return check_data([path])


def _units(found):
    return [x for x in found if x.check == "units"]


def test_right_labels_are_tested_and_not_reported(tmp_path, apart, molecules):
    for found in (metals.check(tmp_path, apart), _molecule(tmp_path / "open", molecules)):
        assert found == []
        assert found.not_tested == []


@pytest.mark.parametrize(
    "label, factor, words",
    [
        ("force", -1.0, "the force has the wrong sign"),
        ("energy", -1.0, "the energy has the wrong sign"),
        ("virial", -1.0, "the virial has the wrong sign"),
        ("energy", 1 / Hartree, "the energy is in Hartree"),
        ("energy", Hartree, "converted from Hartree twice"),
        ("energy", 1 / 8, "the energy is per atom"),
        ("force", Bohr / Hartree, "the force is in Hartree/Bohr"),
        ("virial", 1 / Hartree, "the virial is in Hartree"),
    ],
)
def test_mistake_is_named_without_a_trajectory(tmp_path, apart, label, factor, words):
    arrays = {**apart, label: factor * apart[label]}
    found = _units(metals.check(tmp_path, arrays))
    assert found and {x.level for x in found} == {FAULT}
    assert any(words in x.message for x in found)


def test_large_energies_in_the_digits_of_float32(tmp_path, apart):
    """All-electron energies in kJ/mol: their last digit is 8 kJ/mol."""
    energy = ((apart["energy"] - 8 * 100000.0) * mol / kJ).astype(np.float32)
    found = _units(metals.check(tmp_path, {**apart, "energy": energy}))
    assert found and all("the energy is in kJ/mol" in x.message for x in found)


@pytest.mark.parametrize("unit, sign", [(1.0, 1), (GPa / 10, -1)])
def test_virials_that_are_stresses(tmp_path, apart, unit, sign):
    volume = np.abs(np.linalg.det(apart["box"].reshape(-1, 3, 3)))
    arrays = {**apart, "virial": sign * apart["virial"] / volume[:, None] / unit}
    assert any("is a stress" in x.message for x in _units(metals.check(tmp_path, arrays)))


def test_energies_of_other_frames(tmp_path, apart):
    arrays = {**apart, "energy": np.random.default_rng(0).permutation(apart["energy"])}
    found = _units(metals.check(tmp_path, arrays))
    assert [x.level for x in found] == [DOUBT]
    assert "does it belong to these frames?" in found[0].message


def test_one_label_alone_of_molecules(tmp_path, molecules):
    for label, words in (
        ("force", "force has the wrong sign"),
        ("energy", "the energy or the force has"),
    ):
        arrays = {**molecules, label: -molecules[label]}
        found = _molecule(tmp_path / label, arrays)
        assert any(words in x.message for x in found if x.level == FAULT), label


def test_energies_and_forces_in_one_other_unit(tmp_path, molecules):
    """They agree with each other; the bonds of hydrogen are too soft."""
    arrays = {k: v * (1 if k == "coord" else 1 / Hartree) for k, v in molecules.items()}
    found = _units(_molecule(tmp_path, arrays))
    assert any("stiff" in x.message and "Hartree/Å" in x.message for x in found)


def test_virial_in_open_boundaries_is_that_of_the_forces(tmp_path, molecules):
    arrays = {k: v[:2].copy() for k, v in molecules.items()}
    arrays["virial"][1] *= -1
    found = _units(_molecule(tmp_path, arrays))
    assert [(x.level, x.frames) for x in found] == [(FAULT, (1,))]
    assert "the virial has the wrong sign" in found[0].message


def test_few_frames_accuse_no_one(tmp_path, apart):
    for count in (1, 3, 10):
        arrays = {k: v[:count].copy() for k, v in apart.items()}
        arrays["force"] = -arrays["force"]
        found = metals.check(tmp_path / str(count), arrays)
        assert found == []
        tests = {x.check: x.message for x in found.not_tested}
        assert set(tests) == {"sign of forces", "energy against forces", "virial against forces"}
        assert set(tests.values()) == {f"too few frames, {count} of at least 11"}


def test_a_system_of_many_with_the_wrong_sign(tmp_path, apart):
    paths = []
    for number in range(3):
        arrays = metals.frames(metals.ALLOY, nframes=20, shake=0.2, strain=0.05, seed=number)
        if number == 1:
            arrays["force"] *= -1
        paths.append(metals.write(tmp_path / str(number), metals.ALLOY, arrays))
    found = _units(check_data(paths, rcut=4.0))
    assert {x.system for x in found} == {paths[1]}


def test_what_depends_on_more_than_the_atoms_is_not_tested(tmp_path, apart):
    arrays = {**apart, "fparam": np.zeros((40, 1))}
    found = metals.check(tmp_path, arrays)
    assert found == [] and {"frame or atomic parameters" in x.message for x in found.not_tested}


def test_explanations():
    assert explain("force", -1.0) == "it looks as if the force has the wrong sign"
    assert "Hartree" in explain("force", 1 / 27.0, within=1.5)
    assert "the labels belong to these frames" in explain("force", 7.0)
    units = {"virial": kcal / mol, "force": mol / kcal}
    for label, ratio in units.items():
        looks = explain("virial", ratio, against="force", within=1.05)
        assert looks.startswith(f"it looks as if the {label} is in kcal/mol")


def test_one_name_that_is_no_element(tmp_path, apart):
    """Frames with such atoms are left out, not all frames of all systems."""
    wrong = {**apart, "force": -apart["force"]}
    path = metals.write(tmp_path / "a", metals.ALLOY, wrong)
    other = metals.write(tmp_path / "b", ["Xy", "Xy"], _pairs(12), names=("Xy",))
    found = check_data([path, other], rcut=4.0)
    assert {x.system for x in _units(found) if "wrong sign" in x.message} == {path}
    reasons = {x.message for x in found.not_tested if x.system == other}
    assert reasons == {"its types are not named after elements"}


def _pairs(nframes):
    random = np.random.default_rng(5)
    coord = np.array([0, 0, 0, 0, 0, 2.0]) + 0.1 * random.normal(size=(nframes, 6))
    box = np.tile(8 * np.eye(3).ravel(), (nframes, 1))
    return {"coord": coord, "box": box, "energy": coord[:, 5], "force": 0 * coord}


def test_bonds_without_forces_have_no_stiffness(molecules):
    """Methane that nothing pulls at, beside two bonds of copper."""
    copper = np.array([[30, 0, 0], [30, 0, 2.2], [40, 0, 0], [40, 0, 2.2]])
    frames = []
    for k, coord in enumerate(molecules["coord"]):
        force = np.zeros((9, 3))
        copper[1, 2] += 0.01
        force[5:7, 2] = 0.1 * k, -0.1 * k
        atoms = Atoms("CH4Cu4", np.concatenate([coord.reshape(5, 3), copper]))
        frames.append(Frame("s", atoms, 0.0, force, np.full((3, 3), np.nan)))
    found = bonds.measure(frames)
    assert np.isnan(found.hydrogen) and found.frames == len(frames)
