"""Extended XYZ: contents, names of labels, and errors."""

import logging
import time

import ase.io
import dpdata
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

from deepattn.cli.main import main
from deepattn.data import System, find_systems
from deepattn.errors import DataError

ROWS = "Cu 0.1 0.2 0.3 1 2 3\nAu 1.4 1.5 1.6 -1 -2 -3\n"
HEAD = 'Lattice="4 0 0 0.5 5 0 0.2 0.1 6" Properties=species:S:1:pos:R:3:forces:R:3 pbc="T T T"'
STRESS = "0.1 0.2 0.3 0.4 0.5 0.6"


def write(folder, *comments, rows=ROWS, name="a.extxyz"):
    text = "".join(f"2\n{comment}\n{rows}" for comment in comments)
    (folder / name).write_text(text)
    return str(folder / name)


def read(path):
    [place] = find_systems(path)
    system = System(place)
    return system.frames(range(system.nframes))


@pytest.mark.parametrize(
    "comment",
    [
        f"{HEAD} energy=-1.5",
        f"{HEAD} Energy=-1.5",
        f'{HEAD} energy=-1.5 stress="{STRESS}"',
        f'{HEAD} energy=-1.5 stress="1 2 3 2 4 5 3 5 6.5"',
        f'{HEAD} energy=-1.5 virial="1 2 3 4 5 6 7 8 9.5"',
        f'{HEAD} energy=-1.5 virials="1 2 3 4 5 6 7 8 9.5" config_type=bulk',
        f'{HEAD} energy=-1.5 energy_unit=Hartree force_unit=Ha/Bohr virial="1 2 3 2 4 5 3 5 6"',
        f'{HEAD} energy=-1.5 energy-unit=kcal/mol force-unit=kcal/mol/ang stress="{STRESS}" '
        "stress_unit=GPa",
        f'{HEAD} energy=-1.5 force_unit=au stress="{STRESS}" stress_unit=eV/ang^3',
        f'{HEAD.replace("T T T", "F F F")} energy=-1.5 virial="1 2 3 2 4 5 3 5 6"',
        f"{HEAD.partition('Lattice=')[0]}Properties=species:S:1:pos:R:3:force:R:3 energy=-1.5",
    ],
)
def test_numbers_signs_and_units_are_those_of_dpdata(tmp_path, comment):
    path = write(tmp_path, comment, comment.replace("-1.5", "-2.5"))
    [expected] = dpdata.MultiSystems.from_file(path, fmt="extxyz").systems.values()
    inputs, labels = read(path)
    assert not System(find_systems(path)[0]).periodic == expected.data["nopbc"]
    np.testing.assert_array_equal(inputs["coord"], expected.data["coords"])
    np.testing.assert_array_equal(inputs["atype"][0], expected.data["atom_types"])
    np.testing.assert_array_equal(labels["energy"], expected.data["energies"])
    np.testing.assert_array_equal(labels["force"], expected.data["forces"])
    assert labels["find_virial"].all() == ("virials" in expected.data)
    if "virials" in expected.data:
        np.testing.assert_array_equal(labels["virial"], expected.data["virials"].reshape(2, 9))


@pytest.mark.parametrize("name", ["mptrj_20", "hea25_5", "ethanol_methanol_12"])
def test_published_files_are_read_as_dpdata_reads_them(shared, name):
    path = shared / "data" / "raw" / "extxyz" / f"{name}.extxyz"
    if not path.is_file():
        pytest.skip(f"no {path}")
    expected = dpdata.MultiSystems.from_file(str(path), fmt="extxyz")
    found = [System(place) for place in find_systems(str(path))]
    assert len(found) == len(expected.systems)
    by_energy = {}
    for system in expected.systems.values():
        for row, energy in enumerate(system.data["energies"]):
            by_energy[energy] = (system.data, row)
    for system in found:
        inputs, labels = system.frames(range(system.nframes))
        for row, energy in enumerate(labels["energy"]):
            data, other = by_energy.pop(energy)
            np.testing.assert_array_equal(inputs["coord"][row], data["coords"][other])
            np.testing.assert_array_equal(labels["force"][row], data["forces"][other])
            if "virials" in data:
                np.testing.assert_array_equal(labels["virial"][row], data["virials"][other].ravel())
    assert not by_energy


@pytest.mark.parametrize("mark", ["REF_", "dft_", "DFT_", "ref_"])
def test_labels_of_a_reference(tmp_path, caplog, mark):
    head = HEAD.replace("forces", f"{mark}forces")
    path = write(tmp_path, f'{head} {mark}energy=-7.5 {mark}stress="{STRESS}"')
    with caplog.at_level(logging.INFO):
        _, labels = read(path)
    plain = write(tmp_path, f'{HEAD} energy=-7.5 stress="{STRESS}"', name="b.extxyz")
    for name, values in read(plain)[1].items():
        np.testing.assert_array_equal(labels[name], values)
    told = f"energy from {mark}energy, force from {mark}forces, virial from {mark}stress"
    assert f"{path}: labels are read from other names: {told}" in caplog.text


def test_a_trajectory_with_an_energy_of_a_reference(tmp_path):
    """ASE writes no arrays of other names into a trajectory."""
    atoms = bulk("Cu", cubic=True)
    atoms.info["REF_energy"] = -3.0
    ase.io.write(tmp_path / "a.traj", atoms)
    _, labels = read(str(tmp_path / "a.traj"))
    assert labels["energy"].tolist() == [-3.0]
    assert not labels["find_force"].any() and not labels["find_virial"].any()


def test_a_trajectory_with_shares_of_atoms(tmp_path):
    """ASE keeps each atom's energy and stress where its calculator gives them."""
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.1)
    atoms.calc = EMT()
    energy, force, stress = atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()
    assert {"energies", "stresses"} & atoms.calc.results.keys()
    ase.io.write(tmp_path / "a.traj", atoms)
    _, labels = read(str(tmp_path / "a.traj"))
    assert labels["energy"].tolist() == [energy]
    np.testing.assert_array_equal(labels["force"], [force])
    np.testing.assert_allclose(labels["virial"][0, 0], -atoms.get_volume() * stress[0])


def test_a_trajectory_that_repeats_without_a_cell(tmp_path):
    atoms = Atoms("H2", [[0, 0, 0], [0, 0, 0.7]], pbc=True)
    atoms.info["energy"] = -1.0
    ase.io.write(tmp_path / "a.traj", atoms)
    with pytest.raises(DataError, match=r"a.traj: frame 0 is periodic, but has no cell"):
        find_systems(str(tmp_path / "a.traj"))


@pytest.mark.parametrize("angstrom", ["\u00e5", "\u00c5", "\u212b", "Ang", "angstrom"])
def test_names_of_the_angstrom(tmp_path, angstrom):
    comment = f'{HEAD} energy=-1.5 force_unit=eV/{angstrom} stress="{STRESS}"'
    _, labels = read(write(tmp_path, comment))
    _, plain = read(write(tmp_path, f'{HEAD} energy=-1.5 stress="{STRESS}"', name="b.extxyz"))
    np.testing.assert_array_equal(labels["force"], plain["force"])
    comment = f'{HEAD} energy=-1.5 stress="{STRESS}" stress_unit=eV/{angstrom}'
    for power in ("^3", "³"):
        _, labels = read(write(tmp_path, comment + power, name=f"{len(power)}.extxyz"))
        np.testing.assert_allclose(labels["virial"], plain["virial"], rtol=1e-6)


def test_two_names_of_one_label(tmp_path):
    _, labels = read(write(tmp_path, f"{HEAD} energy=-1.5 REF_energy=-1.5000001"))
    assert labels["energy"] == [-1.5]
    path = write(tmp_path, f"{HEAD} energy=-1.5 REF_energy=-1.6", name="b.extxyz")
    with pytest.raises(DataError, match=r"frame 0 has both energy and REF_energy, which differ"):
        find_systems(path)
    path = write(tmp_path, f"{HEAD} energy=-1.5", f"{HEAD} REF_energy=-1.6", name="c.extxyz")
    with pytest.raises(
        DataError, match=r"frame 0 has energy but no REF_energy, which other frames"
    ):
        find_systems(path)
    both = f'{HEAD} energy=-1.5 stress="{STRESS}" virial="1 2 3 2 4 5 3 5 6"'
    with pytest.raises(DataError, match=r"has both virial and stress, which differ.*--virial-key"):
        find_systems(write(tmp_path, both, name="d.extxyz"))


def test_other_names_are_not_guessed(tmp_path):
    path = write(tmp_path, f"{HEAD.replace('forces', 'xtb_forces')} MACE_energy=-1.5")
    with pytest.raises(
        DataError, match=r"no frame with an energy; did you mean one of MACE_energy, xtb_forces"
    ):
        find_systems(path)


def test_periodic_and_open_frames_are_systems_of_their_own(tmp_path):
    opened = HEAD.replace("T T T", "F F F")
    path = write(tmp_path, f"{HEAD} energy=-1", f"{opened} energy=-2", f"{HEAD} energy=-3")
    names = find_systems(path)
    assert names == [f"{path}#Au1Cu1", f"{path}#Au1Cu1,open"]
    systems = [System(name) for name in names]
    assert [system.periodic for system in systems] == [True, False]
    assert systems[0].load("energy", [0, 1]).ravel().tolist() == [-1.0, -3.0]
    assert systems[1].load("energy", [0]).ravel().tolist() == [-2.0]
    assert systems[0].data_type_map == systems[1].data_type_map


def test_partly_periodic_frames_are_told(tmp_path, caplog):
    path = write(tmp_path, f"{HEAD.replace('T T T', 'T T F')} energy=-1", f"{HEAD} energy=-2")
    assert System(find_systems(path)[0]).periodic
    assert "treated as periodic in all: 1" in caplog.text


@pytest.mark.parametrize("kind", ["extxyz", "xyz", "traj"])
def test_geometries(tmp_path, kind, capsys):
    frames = [bulk("Cu", cubic=True) for _ in range(3)]
    for number, atoms in enumerate(frames):
        atoms.rattle(0.1, seed=number)
    frames[1].calc = SinglePointCalculator(frames[1], energy=-1.0)
    path = tmp_path / f"a.{kind}"
    ase.io.write(path, frames, format="traj" if kind == "traj" else "extxyz")
    [place] = find_systems(str(path), labeled=False)
    system = System(place, labeled=False)
    assert system.nframes == 3 and not system.has("energy").any()
    np.testing.assert_allclose(
        system.load("coord", range(3)).reshape(3, 4, 3), [a.positions for a in frames], atol=1e-7
    )
    assert System(find_systems(str(path))[0]).nframes == 1
    assert main(["neighbor-stat", "-s", str(path), "-r", "3", "-t", "Cu"]) == 0
    assert "max_nbor_size: [12" in capsys.readouterr().out


def test_a_plain_xyz_file_is_geometry(tmp_path):
    ase.io.write(tmp_path / "a.xyz", molecule("H2O"), format="xyz")
    [place] = find_systems(str(tmp_path / "a.xyz"), labeled=False)
    system = System(place, labeled=False)
    assert not system.periodic and system.natoms == 3
    with pytest.raises(DataError, match="no frame with an energy"):
        find_systems(str(tmp_path / "a.xyz"))


FRAME = f"2\n{HEAD} energy=-1\n{ROWS}"
DAMAGED = {
    "endless": (f"99999999999\n{HEAD}\n{ROWS}", r"frame 0 \(line 1\) declares 99999999999 atoms"),
    "huge": ("9" * 5000 + "\n", r"line 1: '9{50,60}\.\.\. is not the number of atoms"),
    "none": (f"0\n{HEAD}\n", r"line 1: '0' is not the number of atoms"),
    "negative": (f"-2\n{HEAD}\n{ROWS}", r"line 1: '-2' is not the number"),
    "without a count": (FRAME + f"{HEAD} energy=-2\n{ROWS}", r"line 5: .* frame 1 must begin"),
    "count too small": (FRAME.replace("2\n", "1\n", 1), r"line 4: 'Au .* is not the number"),
    "count too large": ("3" + FRAME[1:], r"declares 3 atoms, but only 2 lines follow"),
    "cut off": (FRAME + FRAME[:-7], r"frame 1, atom 1 \(line 8\) has 5 columns, expected 7"),
    "empty": ("\n\n", r"a.extxyz has no frame"),
    "width": (FRAME.replace("S:1:pos", "S:12pos"), r"has Properties='species:S:12pos"),
    "widths": (FRAME.replace("forces:R:3", "forces:R:2"), r"atom 0 .*has 7 columns, expected 6"),
    "kind": (FRAME.replace("pos:R:3", "pos:S:3"), r"has Properties="),
    "no places": (FRAME.replace("pos:R:3", "pot:R:3"), r"has Properties="),
    "word": (FRAME.replace("0.1 0.2 0.3", "0.1 x.2 0.3"), r"frame 0, pos: "),
    "lattice": (FRAME.replace("0.1 6", "0.1"), r"has Lattice=.*not nine numbers"),
    "no lattice": (FRAME.replace("Lattice", "lattice"), r"is periodic, but has no cell"),
    "flat": (
        FRAME.replace("0 0.5 5 0 0.2", "0 8 0 0 0.2"),
        r"is periodic, but its cell .* no volume",
    ),
    "boundaries": (FRAME.replace("T T T", "T perhaps"), r"has pbc="),
    "energy": (FRAME.replace("energy=-1", "energy=none"), r"frame 0, energy: expected 1 numbers"),
    "unit": (FRAME.replace("energy=", "energy_unit=cal energy="), r"unknown energy_unit='cal'"),
    "virial": (FRAME.replace("energy=", 'virial="1 2 3" energy='), r"virial: expected 6 or 9"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_file_is_a_sentence(tmp_path, damage):
    text, message = DAMAGED[damage]
    (tmp_path / "a.extxyz").write_text(text)
    began = time.process_time()
    with pytest.raises(DataError, match=message) as caught:
        find_systems(str(tmp_path / "a.extxyz"))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600
    assert time.process_time() - began < 5
