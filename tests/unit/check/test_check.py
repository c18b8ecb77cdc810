"""Checks of data find every planted mistake, and nothing in correct data."""

import dpdata
import numpy as np
import pytest
from ase.units import Bohr

from deepattn.check import DOUBT, FAULT, Finding, check_data
from deepattn.check.duplicates import _pairs, _tolerance
from deepattn.check.energies import Energies
from deepattn.check.piece import read_pieces
from deepattn.data import System, find_systems

from . import faults, metals


def test_nothing_is_found_where_nothing_is_wrong(tmp_path, arrays):
    assert metals.check(tmp_path, arrays, sel=[60]) == []


@pytest.mark.parametrize(
    "plant, level, name",
    [
        (faults.not_a_number, FAULT, "numbers"),
        (faults.overlap, FAULT, "overlap"),
        (faults.close, DOUBT, "distance"),
        (faults.again, DOUBT, "duplicate"),
        (faults.contradiction, FAULT, "duplicate"),
        (faults.outlier, DOUBT, "energy"),
        (faults.net_force, DOUBT, "net force"),
        (faults.huge_force, DOUBT, "force"),
        (faults.pressure, DOUBT, "virial"),
        (faults.torque, DOUBT, "virial"),
        (faults.thin_box, FAULT, "box"),
    ],
)
def test_fault_of_a_frame_is_found(tmp_path, arrays, plant, level, name):
    plant(arrays)
    found = [x for x in metals.check(tmp_path, arrays) if (x.level, x.check) == (level, name)]
    assert [x.frames for x in found] == [(5,)]
    assert "frame 5" in found[0].message
    assert found[0].system == str(tmp_path / "data")


def test_other_frames_are_checked_where_one_cannot_be_read(tmp_path, arrays):
    faults.not_a_number(arrays)
    arrays["coord"][9, :3] = arrays["coord"][9, 3:6] + 0.1
    found = {(x.check, x.frames) for x in metals.check(tmp_path, arrays)}
    assert {("numbers", (5,)), ("overlap", (9,))} <= found


def test_lengths_in_bohr_are_found(tmp_path, arrays):
    arrays["coord"] /= Bohr
    arrays["box"] /= Bohr
    path = metals.write(tmp_path / "data", metals.ALLOY, arrays)
    for rcut, words in ((6.0, "times the sum"), (4.0, "no neighbor within 4 Å")):
        found = [x for x in check_data([path], rcut=rcut) if x.check == "lengths"]
        assert found and words in found[0].message


def test_energies_are_compared_between_systems(tmp_path):
    """A system of an element alone, whose energies are of another calculation."""
    paths = []
    for number in range(6):
        symbols = ["Cu"] * (2 + number) + ["Au"] * (6 - number)
        made = metals.frames(symbols, nframes=8, seed=number)
        made["energy"] += 0 if number != 4 else 8 * 5.0
        paths.append(metals.write(tmp_path / str(number), symbols, made))
    found = [x for x in check_data(paths, rcut=4.0) if x.check == "energy"]
    assert [(x.system, len(x.frames)) for x in found] == [(paths[4], 8)]


def test_duplicates_are_found_across_systems(tmp_path, arrays):
    train = metals.write(tmp_path / "train", metals.ALLOY, arrays)
    copied = {name: array[3:5].astype(np.float32) for name, array in arrays.items()}
    valid = metals.write(tmp_path / "valid", metals.ALLOY, copied)
    found = check_data([train, valid], rcut=4.0)
    assert [(x.check, x.system, x.frames) for x in found] == [("duplicate", valid, (0, 1))]
    assert f"frame 3 of {train}" in found[0].message


def test_elements_without_samples_are_found(tmp_path, arrays):
    found = metals.check(tmp_path, arrays, type_map=["Cu", "Ag", "Au"])
    assert [x.message for x in found] == ["no frame contains Ag"]


@pytest.mark.parametrize("label", ["energy", "force", "virial"])
def test_labels_that_are_all_zero_are_found(tmp_path, arrays, label):
    arrays[label][:] = 0
    found = [x for x in metals.check(tmp_path, arrays) if x.check == "labels"]
    assert [x.message for x in found] == [
        f"every {label} is zero; was the label missing when the data were written?"
    ]


def test_missing_labels_are_found(tmp_path, arrays):
    del arrays["force"], arrays["energy"]
    assert "no frame has an energy" in metals.check(tmp_path, arrays)[-1].message


def test_neighbors_beyond_sel_are_found(tmp_path, arrays):
    found = metals.check(tmp_path, arrays, sel=[10])
    assert [x.check for x in found] == ["sel"] and "sel is 10" in found[0].message
    by_type = check_data([found[0].system], rcut=4.0, sel=[4, 60])
    assert "neighbors of Cu" in by_type[0].message


def test_systems_that_cannot_be_opened_do_not_stop_the_others(tmp_path, arrays):
    broken = metals.write(tmp_path / "broken", metals.COPPER, metals.frames(metals.COPPER))
    (tmp_path / "broken" / "set.000" / "box.npy").unlink()
    faults.overlap(arrays)
    found = {(x.check, x.system) for x in check_data([broken, *_written(tmp_path, arrays)])}
    assert ("files", broken) in found and ("overlap", str(tmp_path / "data")) in found


def _written(folder, arrays):
    return [metals.write(folder / "data", metals.ALLOY, arrays)]


def test_molecules_in_open_boundaries(tmp_path, arrays):
    del arrays["box"], arrays["virial"]
    path = metals.write(tmp_path / "data", metals.ALLOY, arrays)
    (tmp_path / "data" / "nopbc").touch()
    arrays["force"][3, 1] += 1.0
    np.save(tmp_path / "data" / "set.000" / "force.npy", arrays["force"])
    assert [x.check for x in check_data([path]) if x.check == "net force"] == ["net force"]


def test_findings_read_as_a_sentence():
    finding = Finding(DOUBT, "energy", "data/a", "frame 1 is odd", (1,))
    assert str(finding) == "doubt (energy): data/a: frame 1 is odd"


def test_types_without_names(tmp_path, arrays):
    """Numbers alone can be checked, but not beside systems that name theirs."""
    path = metals.write(tmp_path / "data", metals.ALLOY, arrays)
    (tmp_path / "data" / "type_map.raw").unlink()
    assert check_data([path], rcut=4.0) == []
    named = metals.write(
        tmp_path / "named", metals.COPPER, metals.frames(metals.COPPER), names=("Cu",)
    )
    found = check_data([path, named], rcut=4.0)
    assert [(x.check, x.system) for x in found] == [("files", path)]
    assert "type_map.raw" in found[0].message


def test_names_that_are_no_elements(tmp_path, arrays):
    path = metals.write(tmp_path / "data", metals.ALLOY, arrays)
    (tmp_path / "data" / "type_map.raw").write_text("M1 M2")
    assert check_data([path], rcut=4.0) == []
    faults.overlap(arrays)
    np.save(tmp_path / "data" / "set.000" / "coord.npy", arrays["coord"])
    assert ("overlap", (5,)) in {(x.check, x.frames) for x in check_data([path], rcut=4.0)}


def _padded(arrays, *, virtual=2):
    """The same frames as a mixed system with virtual atoms at the end."""
    nframes = len(arrays["energy"])
    types = [metals.NAMES.index(symbol) for symbol in metals.ALLOY] + [-1] * virtual
    padded = {key: array for key, array in arrays.items() if key not in ("coord", "force")}
    for key in ("coord", "force"):
        padded[key] = np.pad(arrays[key], ((0, 0), (0, 3 * virtual)))
    padded["real_atom_types"] = np.tile(np.array(types, np.int32), (nframes, 1))
    return padded


def test_virtual_atoms_do_not_count(tmp_path, arrays):
    padded = _padded(arrays)
    symbols = ["Cu"] * 10
    path = metals.write(tmp_path / "mixed", symbols, padded)
    assert check_data([path], rcut=4.0, sel=[60]) == []
    standard = metals.write(tmp_path / "standard", metals.ALLOY, arrays)
    found = check_data([standard, path], rcut=4.0)
    assert [(x.check, x.system, len(x.frames)) for x in found] == [("duplicate", path, 24)]
    padded["real_atom_types"][5] = -1
    empty = metals.write(tmp_path / "empty", symbols, padded)
    found = check_data([empty], rcut=4.0)
    assert [(x.check, x.frames) for x in found] == [("numbers", (5,))]
    assert "contains only virtual atoms" in found[0].message


@pytest.mark.parametrize("layout", ["hdf5", "lmdb"])
def test_other_layouts(tmp_path, arrays, layout):
    faults.overlap(arrays)
    folder = metals.write(tmp_path / "data", metals.ALLOY, arrays)
    forms = {"hdf5": "deepmd/hdf5", "lmdb": "lmdb"}
    target = str(tmp_path / f"all.{layout}")
    dpdata.LabeledSystem(folder, fmt="deepmd/npy").to(forms[layout], target)
    paths = find_systems(target)
    assert ("overlap", (5,)) in {(x.check, x.frames) for x in check_data(paths, rcut=4.0)}


def test_parameters_explain_other_energies(tmp_path, arrays):
    faults.contradiction(arrays)
    arrays["fparam"] = np.zeros((24, 1))
    arrays["fparam"][5] = 1.0
    assert metals.check(tmp_path, arrays) == []


def test_digits_of_float32_are_no_contradiction(tmp_path, arrays):
    arrays["energy"] -= 45000.0
    rounded = {key: array.astype(np.float32) for key, array in arrays.items()}
    train = metals.write(tmp_path / "train", metals.ALLOY, arrays)
    valid = metals.write(tmp_path / "valid", metals.ALLOY, rounded)
    found = check_data([train, valid], rcut=4.0)
    assert {(x.level, x.check) for x in found} == {(DOUBT, "duplicate")}


def test_many_frames_that_are_the_same(tmp_path, arrays):
    many = {key: np.repeat(array[:1], 5000, axis=0) for key, array in arrays.items()}
    many["coord"] += 1e-6 * np.random.default_rng(0).normal(size=many["coord"].shape)
    found = metals.check(tmp_path, many)
    assert [(x.check, len(x.frames)) for x in found] == [("duplicate", 4999)]


def test_one_frame_and_one_atom(tmp_path, arrays):
    assert metals.check(tmp_path / "frame", {key: array[:1] for key, array in arrays.items()}) == []
    atom = {"coord": np.zeros((1, 3)), "energy": np.array([-3.0]), "force": np.zeros((1, 3))}
    path = metals.write(tmp_path / "atom", ["Cu"], atom, names=("Cu",))
    (tmp_path / "atom" / "nopbc").touch()
    assert check_data([path], rcut=4.0) == []


def test_system_listed_twice(tmp_path, arrays):
    path = metals.write(tmp_path / "data", metals.ALLOY, arrays)
    found = check_data([path, path + "/"], rcut=4.0)
    assert [x.message for x in found] == ["the system is listed more than once"]


def test_broken_file_is_told_once(tmp_path, arrays):
    path = metals.write(tmp_path / "data", metals.ALLOY, arrays)
    file = tmp_path / "data" / "set.000" / "force.npy"
    file.write_bytes(file.read_bytes()[:-50])
    found = check_data([path], rcut=4.0)
    assert [(x.check, x.frames) for x in found] == [("files", ())]
    assert found[0].message.startswith("set.000/force.npy is not a complete NumPy array")


def test_crowds_of_frames_are_no_duplicates():
    """Dense, but all different; and exact copies among them."""
    random = np.random.default_rng(0)
    marks = random.uniform(0, 40, size=(100_000, 4))
    assert list(_pairs(marks[:20_000] * 10)) == []
    marks[-3:] = marks[:3] + 0.3 * random.uniform(-1, 1, size=(3, 4))
    found = dict((copy, first) for first, copy in _pairs(marks * 1000))
    assert not {99_997, 99_998, 99_999} & set(found)
    again = np.concatenate([marks * 10, marks[:3] * 10 + 0.4])
    found = dict((copy, first) for first, copy in _pairs(again))
    assert [found[100_000 + k] for k in range(3)] == [0, 1, 2]


def test_copies_in_float32_of_large_systems():
    for natoms, extent in ((1000, 30.0), (8000, 65.0)):
        random = np.random.default_rng(natoms)
        coord = random.uniform(0, extent, (5, 3 * natoms))
        projections = random.normal(size=(3 * natoms, 4))
        both = np.concatenate([coord, coord.astype(np.float32).astype(float)]) @ projections
        found = list(_pairs(both / _tolerance(natoms, extent)))
        assert found == [(k, k + 5) for k in range(5)]


def test_all_frames_are_looked_at_beside_unknown_elements(tmp_path, arrays):
    padded = _padded(arrays, virtual=0)
    padded["real_atom_types"][[3, 7], 0] = 2
    padded["coord"][9, :3] = padded["coord"][9, 3:6] + 0.1
    path = metals.write(tmp_path / "data", ["Cu"] * 8, padded, names=("Cu", "Au", "Ag"))
    found = {(x.check, x.frames) for x in check_data([path], rcut=4.0, type_map=["Cu", "Au"])}
    assert {("numbers", (3, 7)), ("overlap", (9,))} <= found


def test_hot_frames_beside_relaxed_ones(tmp_path, arrays):
    """Relaxations within 1 meV/atom and a trajectory 0.2 eV/atom higher are both right."""
    checked = Energies(["Cu", "Au"])
    energy = np.concatenate([np.linspace(0, 0.008, 24), np.full(12, 1.6)]) - 20.0
    many = {k: np.concatenate([v, v[:12]]) for k, v in arrays.items()} | {"energy": energy}
    path = metals.write(tmp_path / "data", metals.ALLOY, many)
    for piece in read_pieces(System(path), []):
        checked.add(piece)
    assert list(checked.report()) == []
