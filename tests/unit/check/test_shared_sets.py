"""First-principles data: nothing to report but what is known of them, and every planted fault."""

import shutil

import numpy as np
import pytest

from deepattn.check import FAULT, check_data
from deepattn.data import find_systems

# Large maps of elements, of which some are rare or absent; nothing else is to be said of the sets.
RARE = {"elements"}
SETS = {
    "water": set(),
    "monbtaw/npy": set(),
    "monbtaw/mixed": set(),
    "hea25/mixed": RARE,
    "mapbi3/npy": set(),
    "llzo/npy": set(),
    "organic/3bpa": set(),
    "organic/acac": set(),
    "organic/ethanol_methanol/npy": set(),
    "organic/ethanol_methanol/mixed": set(),
    "mptrj/mixed": RARE,
    "alexandria/mixed": RARE,
    "tp/mixed": set(),
}


@pytest.mark.parametrize("name", SETS)
def test_originals(shared, name):
    found = check_data(find_systems(str(shared / "data" / name)))
    assert {finding.check for finding in found} == SETS[name], "\n".join(map(str, found))


@pytest.mark.parametrize("name", SETS)
def test_planted_faults(shared, tmp_path, name):
    source = shared / "data" / name / "train"
    folders = sorted(source.rglob("set.000"), key=lambda x: -len(_read(x, "energy")))
    # The faults are of single frames: the largest system, and some others beside it.
    for folder in folders[:3]:
        place = tmp_path / "data" / folder.parent.relative_to(source)
        shutil.copytree(folder.parent, place, copy_function=_writable)
    folder = tmp_path / "data" / folders[0].relative_to(source)
    expected = _plant(folder)
    found = check_data(find_systems(str(tmp_path / "data")))
    seen = {
        (finding.check, frame)
        for finding in found
        if finding.system == str(folder.parent)
        for frame in finding.frames
    }
    assert expected <= seen, "\n".join(map(str, found))
    checks = {finding.check for finding in found}
    assert checks - RARE == {check for check, _ in expected}


def _plant(folder):
    """Spoil frames of a set; gives what should be found, and in which frame."""
    arrays = {path.stem: np.load(path) for path in folder.glob("*.npy")}
    arrays = {key: array.reshape(len(array), -1) for key, array in arrays.items()}
    natoms = arrays["coord"].shape[1] // 3
    for array in arrays.values():
        array[3], array[5] = array[2], array[4]
    arrays["force"][0, 1] = np.nan
    arrays["coord"][1, :3] = arrays["coord"][1, 3:6] + 0.1
    arrays["energy"][5] += 0.5
    arrays["energy"][6] += 100 * natoms
    arrays["force"][7, ::3] += 0.5
    arrays["force"][8, 0] += 300.0
    arrays["force"][8, 3] -= 300.0
    expected = {("numbers", 0), ("overlap", 1), ("duplicate", 3), ("duplicate", 5), ("energy", 6)}
    expected |= {("net force", 7), ("force", 8)}
    if "virial" in arrays:
        arrays["virial"][9] *= 0
        arrays["virial"][9, [0, 4, 8]] = 1e3 * natoms * 20
        arrays["virial"][10, 1] += natoms
        expected |= {("virial", 9), ("virial", 10)}
    for key, array in arrays.items():
        np.save(folder / f"{key}.npy", array)
    return expected


@pytest.mark.parametrize(
    "label, factor", [("force", -1), ("force", 1 / 51.42), ("virial", -1), ("energy", 1 / 27.2)]
)
def test_wrong_units_and_signs(shared, tmp_path, label, factor):
    """Strained cells and relaxing ones are near enough to compare energies with derivatives."""
    source = shared / "data" / "monbtaw" / "npy" / "train"
    for system in ("unary/Mo2", "unary/W54", "binary/Mo8W8"):
        shutil.copytree(source / system, tmp_path / system, copy_function=_writable)
        path = tmp_path / system / "set.000" / f"{label}.npy"
        np.save(path, factor * np.load(path))
    assert "units" in {finding.check for finding in check_data(find_systems(str(tmp_path)))}


def test_lengths_in_bohr(shared, tmp_path):
    for name in ("water", "llzo/npy", "organic/3bpa", "tp/mixed"):
        shutil.copytree(shared / "data" / name / "valid", tmp_path / name, copy_function=_writable)
        for key in ("coord", "box"):
            for path in (tmp_path / name).rglob(f"{key}.npy"):
                np.save(path, np.load(path) / 0.529177)
        found = {finding.check for finding in check_data(find_systems(str(tmp_path / name)))}
        assert "lengths" in found, name


# Sets and labels of which a wrong sign is a fault without a trajectory.
TESTED = {
    "water/valid": ("energy", "force"),
    "organic/3bpa/valid": ("energy", "force"),
    "mapbi3/npy/valid": ("energy", "force", "virial"),
    "llzo/npy/valid": ("energy", "force", "virial"),
}


@pytest.mark.parametrize("name", TESTED)
def test_wrong_signs_without_a_trajectory(shared, tmp_path, name):
    for label in TESTED[name]:
        target = tmp_path / label
        shutil.copytree(shared / "data" / name, target, copy_function=_writable)
        for path in target.rglob(f"{label}.npy"):
            np.save(path, -np.load(path))
        found = check_data(find_systems(str(target)))
        words = f"the {label} has the wrong sign"
        assert any(x.level == FAULT and words in x.message for x in found), label


@pytest.mark.parametrize("name", [name for name in SETS if name.endswith("mixed")])
def test_few_frames_are_not_accused(shared, name):
    """The first systems of a set, of which some have too few frames for a test."""
    paths = find_systems(str(shared / "data" / name))
    found = check_data(paths[:: max(len(paths) // 3, 1)])
    assert not {x.check for x in found} & {"units", "lengths"}, "\n".join(map(str, found))


def _read(folder, key):
    return np.load(folder / f"{key}.npy", mmap_mode="r")


def _writable(source, target):
    shutil.copyfile(source, target)
