"""Files of other codes as systems: the same numbers as in the converted data."""

import logging

import ase.io
import dpdata
import h5py
import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms

from deepattn.cli.main import main
from deepattn.data import System, find_systems
from deepattn.errors import DataError
from deepattn.foreign.frames import read_file

ARRAYS = ("coord", "box", "energy", "force", "virial")


def labeled(atoms, seed):
    rng = np.random.default_rng(seed)
    forces = rng.normal(size=(len(atoms), 3))
    atoms.rattle(0.1, seed=seed)
    results = {"energy": -3.7 * len(atoms) + rng.normal(), "forces": forces}
    if atoms.pbc.any():
        results["stress"] = rng.normal(size=6)
    atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms


@pytest.fixture
def alloys(tmp_path):
    frames = []
    for seed, symbols in enumerate(["Cu4", "Au2Cu2", "Cu2Au2", "Cu4", "Cu4"]):
        frames.append(labeled(bulk("Cu", cubic=True), seed))
        frames[-1].symbols = symbols
    ase.io.write(tmp_path / "alloys.extxyz", frames)
    return tmp_path / "alloys.extxyz"


def assert_equal_systems(found, expected):
    """Bit for bit, in the same order and in the same sets."""
    assert len(found) == len(expected)
    for ours, theirs in zip(map(System, found), map(System, expected), strict=True):
        assert ours.data_type_map == theirs.data_type_map
        assert ours.periodic == theirs.periodic
        assert ours.set_sizes == theirs.set_sizes
        every = range(ours.nframes)
        np.testing.assert_array_equal(ours.atype(every), theirs.atype(every))
        for name in ARRAYS:
            np.testing.assert_array_equal(ours.has(name), theirs.has(name))
            np.testing.assert_array_equal(ours.load(name, every), theirs.load(name, every))


def convert(source, target):
    assert main(["convert", str(source), "-o", str(target)]) == 0
    return find_systems(str(target))


def test_compositions(tmp_path, alloys):
    systems = find_systems(str(alloys))
    assert systems == [f"{alloys}#Cu2Au2", f"{alloys}#Cu4"]
    assert find_systems(systems[1]) == systems[1:]
    assert_equal_systems(systems, convert(alloys, tmp_path / "data"))


def test_a_molecule(tmp_path):
    path = tmp_path / "water.xyz"
    ase.io.write(path, labeled(molecule("H2O"), 1), format="extxyz")
    assert_equal_systems(find_systems(str(path)), convert(path, tmp_path / "data"))
    assert not System(path).periodic  # of a single system the formula may be left out


def test_sets_are_as_converted(tmp_path, monkeypatch):
    nframes = 5001
    data = {
        "atom_names": ["H"],
        "atom_numbs": [1],
        "atom_types": np.zeros(1, int),
        "orig": np.zeros(3),
        "cells": np.tile(3.0 * np.eye(3), (nframes, 1, 1)),
        "coords": np.zeros((nframes, 1, 3)),
        "energies": np.arange(float(nframes)),
        "forces": np.zeros((nframes, 1, 3)),
    }
    long = dpdata.LabeledSystem(data=data)
    monkeypatch.setattr(
        "deepattn.foreign.labeled.gather", lambda sources: dpdata.MultiSystems(long)
    )
    (tmp_path / "OUTCAR").touch()
    long.to("deepmd/npy", str(tmp_path / "npy"))
    found = find_systems(str(tmp_path / "OUTCAR"))
    assert System(found[0]).set_sizes == [5000, 1]
    assert_equal_systems(found, [str(tmp_path / "npy")])


@pytest.mark.parametrize(
    "name",
    ["vasp_h2o_md/OUTCAR", "vasp_h2o_md/vasprun.xml", "vasp_tio_v6/OUTCAR", "vasp_hfo_96/OUTCAR"],
)
def test_runs_of_vasp(shared, tmp_path, name):
    path = shared / "data" / "raw" / name
    assert_equal_systems(find_systems(str(path)), convert(path, tmp_path / "data"))


def test_a_file_is_read_only_if_it_is_named(tmp_path, alloys, caplog):
    with caplog.at_level(logging.WARNING), pytest.raises(DataError, match="no system found"):
        find_systems(str(tmp_path))
    with pytest.raises(DataError, match=r"holds no system of one composition, but .*#Cu4"):
        System(alloys)
    with pytest.raises(DataError, match=r"holds no system Cu5, but .*#Cu2Au2"):
        System(f"{alloys}#Cu5")


def test_what_cannot_be_read(tmp_path):
    (tmp_path / "scf.out").write_text("of some code\n")
    with pytest.raises(
        DataError, match=r"scf.out: the format cannot be inferred.*deepattn convert"
    ):
        find_systems(str(tmp_path / "scf.out"))
    (tmp_path / "OUTCAR").write_text("not of VASP\n")
    with pytest.raises(DataError, match=r"OUTCAR: (cannot be read as|has no frame)"):
        find_systems(str(tmp_path / "OUTCAR"))


def test_constraints_and_frames_without_labels(tmp_path, caplog):
    """ASE's own answer is no force on a fixed atom."""
    frames = [labeled(bulk("Cu", cubic=True), seed) for seed in range(3)]
    forces = [atoms.get_forces() for atoms in frames]
    frames[1].set_constraint(FixAtoms([0, 2]))
    path = tmp_path / "relaxed.traj"
    ase.io.write(path, [frames[0], bulk("Cu", cubic=True), *frames[1:]])
    [found] = find_systems(str(path))
    _, labels = System(found).frames(range(3))
    np.testing.assert_array_equal(labels["force"], forces)
    np.testing.assert_array_equal(labels["energy"], [a.get_potential_energy() for a in frames])
    assert f"{path}: skipped frames without energy: 1" in caplog.text


def test_orders_and_compositions_of_a_trajectory(tmp_path):
    frames = []
    for seed, symbols in enumerate(["AuCuAuCu", "Cu2Au2", "Cu4", "AuCuAuCu"]):
        atoms = bulk("Cu", cubic=True)
        atoms.symbols = symbols
        frames.append(labeled(atoms, seed))
    ase.io.write(tmp_path / "alloys.traj", frames)
    found = find_systems(str(tmp_path / "alloys.traj"))
    assert [path.rpartition("#")[2] for path in found] == ["Au2Cu2", "Cu4"]
    system = System(found[0], type_map=["Au", "Cu"])
    inputs, labels = system.frames(range(3))
    for atoms in frames[:2] + frames[3:]:
        [row] = np.flatnonzero(labels["energy"] == atoms.get_potential_energy())
        order = np.argsort(-atoms.numbers, kind="stable")  # gold first
        np.testing.assert_array_equal(inputs["coord"][row], atoms.positions[order])
        np.testing.assert_array_equal(labels["force"][row], atoms.get_forces()[order])


@pytest.mark.parametrize("name", ["some.traj", "some.extxyz"])
def test_virials_in_some_frames_only(tmp_path, name):
    frames = [labeled(bulk("Cu", cubic=True), seed) for seed in range(2)]
    del frames[1].calc.results["stress"]
    ase.io.write(tmp_path / name, frames)
    with pytest.raises(DataError, match=rf"{name}: .* only some have virials.*separately"):
        find_systems(str(tmp_path / name))


def test_whose_name_looks_like_another(tmp_path):
    ase.io.write(tmp_path / "OUTCAR.extxyz", labeled(bulk("Cu"), 0), format="extxyz")
    [found] = find_systems(str(tmp_path / "OUTCAR.extxyz"))
    assert System(found).nframes == 1
    with h5py.File(tmp_path / "OUTCARs.hdf5", "w") as file:
        file["all/type.raw"] = [0]
        file["all/type_map.raw"] = [b"Cu"]
        file["all/nopbc"] = True
        file["all/set.000/coord.npy"] = np.zeros((2, 3))
    [found] = find_systems(str(tmp_path / "OUTCARs.hdf5"))
    assert found == f"{tmp_path}/OUTCARs.hdf5#/all" and System(found).nframes == 2
    (tmp_path / "w.xyz").touch()
    folder = tmp_path / "w.xyz#1"
    (folder / "set.000").mkdir(parents=True)
    (folder / "type.raw").write_text("0\n")
    (folder / "nopbc").touch()
    np.save(folder / "set.000" / "coord.npy", np.zeros((3, 3)))
    assert find_systems(str(folder)) == [str(folder)]
    assert System(folder).nframes == 3


def test_commands(alloys, capsys):
    assert main(["neighbor-stat", "-s", str(alloys), "-r", "3", "-t", "Au", "Cu"]) == 0
    assert "max_nbor_size" in capsys.readouterr().out
    assert main(["check", str(alloys), "-r", "3", "--sel", "1"]) == 0
    assert f"{alloys}#Cu4" in capsys.readouterr().out


def test_a_file_of_no_known_format(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing\n")
    with pytest.raises(DataError, match=r"notes\.txt: has an unknown format"):
        read_file(tmp_path / "notes.txt")
