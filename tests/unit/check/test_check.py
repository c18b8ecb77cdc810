"""What a check of data finds: every planted fault, and nothing where nothing is wrong."""

import json

import dpdata
import metals
import numpy as np
import pytest
from ase.units import Bohr, Hartree, kcal, kJ, mol

from deepattn.check import DOUBT, FAULT, Finding, check_data
from deepattn.check.duplicates import _pairs, _tolerance
from deepattn.check.energies import Energies
from deepattn.check.piece import read_pieces
from deepattn.check.work import _judge
from deepattn.cli.main import main
from deepattn.data import System, find_systems

ALLOY = ["Cu", "Au"] * 4
COPPER = ["Cu"] * 8


@pytest.fixture(scope="module")
def clean():
    return metals.frames(ALLOY, nframes=24)


@pytest.fixture
def arrays(clean):
    return {name: array.copy() for name, array in clean.items()}


def check(folder, arrays, **settings):
    """The findings of one system."""
    return check_data([metals.write(folder / "data", ALLOY, arrays)], rcut=4.0, **settings)


def test_nothing_is_found_where_nothing_is_wrong(tmp_path, arrays):
    assert check(tmp_path, arrays, sel=[60]) == []


def _not_a_number(arrays):
    arrays["force"][5, 7] = np.nan


def _overlap(arrays):
    arrays["coord"][5, :3] = arrays["coord"][5, 3:6] + 0.1


def _close(arrays):
    arrays["coord"][5, :3] = arrays["coord"][5, 3:6] + 0.7


def _again(arrays):
    for array in arrays.values():
        array[5] = array[2]


def _contradiction(arrays):
    _again(arrays)
    arrays["energy"][5] += 1.0


def _outlier(arrays):
    arrays["energy"][5] += 50.0


def _net_force(arrays):
    arrays["force"][5, ::3] += 0.1


def _huge_force(arrays):
    arrays["force"][5, 0] += 200.0
    arrays["force"][5, 3] -= 200.0


def _pressure(arrays):
    arrays["virial"][5] = 2000 * np.eye(3).ravel()


def _torque(arrays):
    arrays["virial"][5, 1] += 1.0


def _thin_box(arrays):
    arrays["box"][5] = np.diag([1e-3, 1.0, 1.0]).ravel()


@pytest.mark.parametrize(
    "plant, level, name",
    [
        (_not_a_number, FAULT, "numbers"),
        (_overlap, FAULT, "overlap"),
        (_close, DOUBT, "distance"),
        (_again, DOUBT, "duplicate"),
        (_contradiction, FAULT, "duplicate"),
        (_outlier, DOUBT, "energy"),
        (_net_force, DOUBT, "net force"),
        (_huge_force, DOUBT, "force"),
        (_pressure, DOUBT, "virial"),
        (_torque, DOUBT, "virial"),
        (_thin_box, FAULT, "box"),
    ],
)
def test_fault_of_a_frame_is_found(tmp_path, arrays, plant, level, name):
    plant(arrays)
    found = [x for x in check(tmp_path, arrays) if (x.level, x.check) == (level, name)]
    assert [x.frames for x in found] == [(5,)]
    assert "frame 5" in found[0].message
    assert found[0].system == str(tmp_path / "data")


def test_other_frames_are_checked_where_one_cannot_be_read(tmp_path, arrays):
    _not_a_number(arrays)
    arrays["coord"][9, :3] = arrays["coord"][9, 3:6] + 0.1
    found = {(x.check, x.frames) for x in check(tmp_path, arrays)}
    assert {("numbers", (5,)), ("overlap", (9,))} <= found


@pytest.mark.parametrize(
    "label, factor, words",
    [
        ("force", -1.0, "the force has the wrong sign"),
        ("force", Bohr / Hartree, "the force is in Hartree/Bohr"),
        ("force", mol / kcal, "the force is in kcal/mol"),
        ("energy", 1 / Hartree, "the energy is in Hartree"),
        ("energy", mol / kcal, "the energy is in kcal/mol"),
        ("energy", mol / kJ, "the energy is in kJ/mol"),
        ("energy", 1 / 8, "the energy is that of one atom"),
        ("force", 0.1, "in the order of coord?"),
        ("virial", -1.0, "the virial has the wrong sign"),
        ("virial", 10.0, "is it a virial in eV"),
    ],
)
def test_unit_is_found(tmp_path, label, factor, words):
    arrays = _strained() if label == "virial" else _shaken()
    arrays[label] = arrays[label] * factor
    found = [x for x in check(tmp_path, arrays) if x.check == "units"]
    assert found and found[0].level == FAULT
    assert words in found[0].message


def test_order_of_forces_is_found(tmp_path):
    arrays = _shaken()
    arrays["force"] = np.roll(arrays["force"].reshape(24, 8, 3), 1, axis=1)
    assert "units" in {x.check for x in check(tmp_path, arrays)}


def test_right_units_are_not_reported(tmp_path):
    for number, arrays in enumerate((_strained(), _shaken())):
        assert check(tmp_path / str(number), arrays) == []


def _shaken():
    """Frames in one cell."""
    return metals.frames(ALLOY, nframes=24, strain=0.0)


def _strained():
    """Frames whose atoms stay at their places in the cell."""
    return metals.frames(ALLOY, nframes=24, shake=0.0)


def test_lengths_in_bohr_are_found(tmp_path, arrays):
    arrays["coord"] /= Bohr
    arrays["box"] /= Bohr
    path = metals.write(tmp_path / "data", ALLOY, arrays)
    for rcut, words in ((6.0, "times the sum"), (4.0, "no neighbour within 4 Å")):
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
    train = metals.write(tmp_path / "train", ALLOY, arrays)
    copied = {name: array[3:5].astype(np.float32) for name, array in arrays.items()}
    valid = metals.write(tmp_path / "valid", ALLOY, copied)
    found = check_data([train, valid], rcut=4.0)
    assert [(x.check, x.system, x.frames) for x in found] == [("duplicate", valid, (0, 1))]
    assert f"frame 3 of {train}" in found[0].message


def test_elements_without_samples_are_found(tmp_path, arrays):
    found = check(tmp_path, arrays, type_map=["Cu", "Ag", "Au"])
    assert [x.message for x in found] == ["no frame has an atom of Ag"]


@pytest.mark.parametrize("label", ["energy", "force", "virial"])
def test_labels_that_are_all_zero_are_found(tmp_path, arrays, label):
    arrays[label][:] = 0
    found = [x for x in check(tmp_path, arrays) if x.check == "labels"]
    assert [x.message for x in found] == [f"every {label} is zero; was there none to write?"]


def test_missing_labels_are_found(tmp_path, arrays):
    del arrays["force"], arrays["energy"]
    assert "no frame has an energy" in check(tmp_path, arrays)[-1].message


def test_neighbours_beyond_sel_are_found(tmp_path, arrays):
    found = check(tmp_path, arrays, sel=[10])
    assert [x.check for x in found] == ["sel"] and "sel is 10" in found[0].message
    by_type = check_data([found[0].system], rcut=4.0, sel=[4, 60])
    assert "neighbours of Cu" in by_type[0].message


def test_systems_that_cannot_be_opened_do_not_stop_the_others(tmp_path, arrays):
    broken = metals.write(tmp_path / "broken", COPPER, metals.frames(COPPER))
    (tmp_path / "broken" / "set.000" / "box.npy").unlink()
    _overlap(arrays)
    found = {(x.check, x.system) for x in check_data([broken, *_written(tmp_path, arrays)])}
    assert ("files", broken) in found and ("overlap", str(tmp_path / "data")) in found


def _written(folder, arrays):
    return [metals.write(folder / "data", ALLOY, arrays)]


def test_molecules_in_open_boundaries(tmp_path, arrays):
    del arrays["box"], arrays["virial"]
    path = metals.write(tmp_path / "data", ALLOY, arrays)
    (tmp_path / "data" / "nopbc").touch()
    arrays["force"][3, 1] += 1.0
    np.save(tmp_path / "data" / "set.000" / "force.npy", arrays["force"])
    assert [x.check for x in check_data([path]) if x.check == "net force"] == ["net force"]


def test_command_prints_findings_and_says_it_by_its_status(tmp_path, arrays, capsys):
    path = metals.write(tmp_path / "data", ALLOY, arrays)
    assert main(["check", path]) == 0
    assert capsys.readouterr().out == ""
    _overlap(arrays)
    np.save(tmp_path / "data" / "set.000" / "coord.npy", arrays["coord"])
    assert main(["check", path, "--json"]) == 1
    listed = json.loads(capsys.readouterr().out)
    assert [(x["check"], x["frames"]) for x in listed if x["check"] == "overlap"] == [
        ("overlap", [5])
    ]
    assert main(["check", path]) == 1
    assert f"fault (overlap): {path}: in frame 5 atoms 0 and 1" in capsys.readouterr().out


def test_command_takes_what_an_input_says(tmp_path, arrays, monkeypatch, capsys):
    metals.write(tmp_path / "train", ALLOY, arrays)
    metals.write(tmp_path / "valid", ALLOY, {k: v[:2] for k, v in arrays.items()})
    model = {
        "type_map": ["Cu", "Ag", "Au"],
        "descriptor": {"type": "se_atten_v2", "rcut": 4.0, "rcut_smth": 0.5, "sel": 10},
        "fitting_net": {},
    }
    training = {
        "training_data": {"systems": ["train"]},
        "validation_data": {"systems": ["valid"]},
        "numb_steps": 1,
    }
    rate = {"start_lr": 1e-3, "stop_lr": 1e-8}
    content = {"model": model, "training": training, "learning_rate": rate, "loss": {}}
    (tmp_path / "input.json").write_text(json.dumps(content))
    monkeypatch.chdir(tmp_path)
    assert main(["check", "input.json"]) == 0
    out = capsys.readouterr().out
    for words in ("no frame has an atom of Ag", "but sel is 10", "valid: frame 0 is frame 0 of"):
        assert words in out


def test_command_lists_the_first_systems_of_a_kind(tmp_path, arrays, capsys):
    _net_force(arrays)
    for number in range(8):
        arrays["coord"] = arrays["coord"] + 0.01
        metals.write(tmp_path / str(number), ALLOY, arrays)
    assert main(["check", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum("(net force): /" in line for line in lines) == 5
    assert "doubt (net force): 3 more systems are like these; --json lists them" in lines


def test_findings_read_as_a_sentence():
    finding = Finding(DOUBT, "energy", "data/a", "frame 1 is odd", (1,))
    assert str(finding) == "doubt (energy): data/a: frame 1 is odd"


def test_types_without_names(tmp_path, arrays):
    """Numbers alone can be checked, but not beside systems that name theirs."""
    path = metals.write(tmp_path / "data", ALLOY, arrays)
    (tmp_path / "data" / "type_map.raw").unlink()
    assert check_data([path], rcut=4.0) == []
    named = metals.write(tmp_path / "named", COPPER, metals.frames(COPPER), names=("Cu",))
    found = check_data([path, named], rcut=4.0)
    assert [(x.check, x.system) for x in found] == [("files", path)]
    assert "type_map.raw" in found[0].message


def test_names_that_are_no_elements(tmp_path, arrays):
    path = metals.write(tmp_path / "data", ALLOY, arrays)
    (tmp_path / "data" / "type_map.raw").write_text("M1 M2")
    assert check_data([path], rcut=4.0) == []
    _overlap(arrays)
    np.save(tmp_path / "data" / "set.000" / "coord.npy", arrays["coord"])
    assert ("overlap", (5,)) in {(x.check, x.frames) for x in check_data([path], rcut=4.0)}


def _padded(arrays, *, virtual=2):
    """The same frames as a mixed system with virtual atoms at the end."""
    nframes = len(arrays["energy"])
    types = [metals.NAMES.index(symbol) for symbol in ALLOY] + [-1] * virtual
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
    standard = metals.write(tmp_path / "standard", ALLOY, arrays)
    found = check_data([standard, path], rcut=4.0)
    assert [(x.check, x.system, len(x.frames)) for x in found] == [("duplicate", path, 24)]
    padded["real_atom_types"][5] = -1
    empty = metals.write(tmp_path / "empty", symbols, padded)
    found = check_data([empty], rcut=4.0)
    assert [(x.check, x.frames) for x in found] == [("numbers", (5,))]
    assert "virtual atoms only" in found[0].message


@pytest.mark.parametrize("layout", ["hdf5", "lmdb"])
def test_other_layouts(tmp_path, arrays, layout):
    _overlap(arrays)
    folder = metals.write(tmp_path / "data", ALLOY, arrays)
    forms = {"hdf5": "deepmd/hdf5", "lmdb": "lmdb"}
    target = str(tmp_path / f"all.{layout}")
    dpdata.LabeledSystem(folder, fmt="deepmd/npy").to(forms[layout], target)
    paths = find_systems(target)
    assert ("overlap", (5,)) in {(x.check, x.frames) for x in check_data(paths, rcut=4.0)}


def test_parameters_explain_other_energies(tmp_path, arrays):
    _contradiction(arrays)
    arrays["fparam"] = np.zeros((24, 1))
    arrays["fparam"][5] = 1.0
    assert check(tmp_path, arrays) == []


def test_digits_of_float32_are_no_contradiction(tmp_path, arrays):
    arrays["energy"] -= 45000.0
    rounded = {key: array.astype(np.float32) for key, array in arrays.items()}
    train = metals.write(tmp_path / "train", ALLOY, arrays)
    valid = metals.write(tmp_path / "valid", ALLOY, rounded)
    found = check_data([train, valid], rcut=4.0)
    assert {(x.level, x.check) for x in found} == {(DOUBT, "duplicate")}


def test_many_frames_that_are_the_same(tmp_path, arrays):
    many = {key: np.repeat(array[:1], 5000, axis=0) for key, array in arrays.items()}
    many["coord"] += 1e-6 * np.random.default_rng(0).normal(size=many["coord"].shape)
    found = check(tmp_path, many)
    assert [(x.check, len(x.frames)) for x in found] == [("duplicate", 4999)]


def test_one_frame_and_one_atom(tmp_path, arrays):
    assert check(tmp_path / "frame", {key: array[:1] for key, array in arrays.items()}) == []
    atom = {"coord": np.zeros((1, 3)), "energy": np.array([-3.0]), "force": np.zeros((1, 3))}
    path = metals.write(tmp_path / "atom", ["Cu"], atom, names=("Cu",))
    (tmp_path / "atom" / "nopbc").touch()
    assert check_data([path], rcut=4.0) == []


def test_system_listed_twice(tmp_path, arrays):
    path = metals.write(tmp_path / "data", ALLOY, arrays)
    found = check_data([path, path + "/"], rcut=4.0)
    assert [x.message for x in found] == ["the system is listed more than once"]


def test_broken_file_is_told_once(tmp_path, arrays):
    path = metals.write(tmp_path / "data", ALLOY, arrays)
    file = tmp_path / "data" / "set.000" / "force.npy"
    file.write_bytes(file.read_bytes()[:-50])
    found = check_data([path], rcut=4.0)
    assert [(x.check, x.frames) for x in found] == [("files", ())]
    assert found[0].message.startswith("set.000/force.npy is not a whole NumPy array")


def test_virial_of_another_kind(tmp_path):
    """Virials in Hartree, and stresses in eV/Å³ of either sign."""
    volume = np.linalg.det(_strained()["box"][0].reshape(3, 3))
    for factor, words in (
        (1 / Hartree, "virial is in Hartree"),
        (1 / volume, "is a stress"),
        (-1 / volume, "is a stress"),
    ):
        arrays = _strained()
        arrays["virial"] *= factor
        found = [x for x in check(tmp_path / f"{factor:.3g}", arrays) if x.check == "units"]
        assert len(found) == 1 and words in found[0].message


def test_energies_of_another_code_are_named_once(tmp_path):
    """Atoms in numbers whose inverse is near another factor: both mistakes are named."""
    arrays = _shaken()
    arrays["energy"] /= Hartree
    found = [x for x in check(tmp_path, arrays) if x.check == "units"]
    assert found[0].message.count("it looks as if") == 1


def test_wrong_sel_is_refused(tmp_path, arrays, capsys):
    path = metals.write(tmp_path / "data", ALLOY, arrays)
    assert main(["check", path, "--sel", "10", "20", "30"]) == 1
    assert "sel has 3 numbers, but there are 2 types: Cu Au" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["check", path, "--sel", "-1"])
    assert "'-1' is not a positive number" in capsys.readouterr().err


def test_input_for_fine_tuning_can_be_checked(tmp_path, arrays, monkeypatch, capsys):
    """Its model section is all but empty, as the pretrained model fills it."""
    metals.write(tmp_path / "train", ALLOY, arrays)
    content = {
        "model": {"type_map": ["Cu", "Au"], "descriptor": {}, "fitting_net": {}},
        "learning_rate": {"start_lr": 1e-4, "stop_lr": 1e-8},
        "training": {"training_data": {"systems": "train"}, "numb_steps": 1},
    }
    (tmp_path / "input.json").write_text(json.dumps(content))
    monkeypatch.chdir(tmp_path)
    assert main(["check", "input.json"]) == 0
    assert capsys.readouterr().out == ""
    del content["training"]
    (tmp_path / "input.json").write_text(json.dumps(content))
    assert main(["check", "input.json"]) == 1
    assert "names no systems" in capsys.readouterr().err


def test_works_that_go_together(tmp_path):
    """Atoms that move with the cell along one line: right labels are not reported."""
    for seed in range(20):
        random = np.random.default_rng(seed)
        place = np.cumsum(random.uniform(0.2, 1.0, 12))
        energy = 0.5 * place**2 - 3 * place
        slope = place - 3
        pairs = [
            (
                energy[k + 1] - energy[k] + 0.01 * random.normal(),
                0.25 * (slope[k] + slope[k + 1]) / 2 * (place[k + 1] - place[k]),
                0.75 * (slope[k] + slope[k + 1]) / 2 * (place[k + 1] - place[k]),
                0.03,
                8,
                100.0,
                k,
            )
            for k in range(11)
        ]
        assert _judge(np.array(pairs)) is None


def test_a_part_of_the_frames_is_found(tmp_path):
    """A third of a trajectory with forces of the other sign."""
    arrays = _shaken()
    arrays["force"][16:] *= -1
    found = [x for x in check(tmp_path, arrays) if x.check == "units"]
    assert len(found) == 1
    assert not found[0].frames or max(found[0].frames) >= 16


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
    path = metals.write(tmp_path / "data", ALLOY, many)
    for piece in read_pieces(System(path), []):
        checked.add(piece)
    assert list(checked.report()) == []
