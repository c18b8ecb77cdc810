"""Energies against the work of forces and virials: units, signs, order."""

import numpy as np
import pytest
from ase.units import Bohr, Hartree, kcal, kJ, mol

from deepattn.check import FAULT
from deepattn.check.work import _judge

from . import metals


@pytest.mark.parametrize(
    "label, factor, words",
    [
        ("force", -1.0, "the force has the wrong sign"),
        ("force", Bohr / Hartree, "the force is in Hartree/Bohr"),
        ("force", mol / kcal, "the force is in kcal/mol"),
        ("energy", 1 / Hartree, "the energy is in Hartree"),
        ("energy", mol / kcal, "the energy is in kcal/mol"),
        ("energy", mol / kJ, "the energy is in kJ/mol"),
        ("energy", 1 / 8, "the energy is per atom"),
        ("force", 0.1, "in the order of coord?"),
        ("virial", -1.0, "the virial has the wrong sign"),
        ("virial", 10.0, "is it the virial"),
    ],
)
def test_unit_is_found(tmp_path, label, factor, words):
    arrays = _strained() if label == "virial" else _shaken()
    arrays[label] = arrays[label] * factor
    found = [x for x in metals.check(tmp_path, arrays) if x.check == "units"]
    assert found and found[0].level == FAULT
    assert words in found[0].message


def test_order_of_forces_is_found(tmp_path):
    arrays = _shaken()
    arrays["force"] = np.roll(arrays["force"].reshape(24, 8, 3), 1, axis=1)
    assert "units" in {x.check for x in metals.check(tmp_path, arrays)}


def test_right_units_are_not_reported(tmp_path):
    for number, arrays in enumerate((_strained(), _shaken())):
        assert metals.check(tmp_path / str(number), arrays) == []


def _shaken():
    """Frames in one cell."""
    return metals.frames(metals.ALLOY, nframes=24, strain=0.0)


def _strained():
    """Frames whose atoms stay at their places in the cell."""
    return metals.frames(metals.ALLOY, nframes=24, shake=0.0)


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
        found = [x for x in metals.check(tmp_path / f"{factor:.3g}", arrays) if x.check == "units"]
        assert len(found) == 1 and words in found[0].message


def test_energies_of_another_code_are_named_once(tmp_path):
    """Atoms in numbers whose inverse is near another factor: both mistakes are named."""
    arrays = _shaken()
    arrays["energy"] /= Hartree
    found = [x for x in metals.check(tmp_path, arrays) if x.check == "units"]
    assert found[0].message.count("it looks as if") == 1


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
    found = [x for x in metals.check(tmp_path, arrays) if x.check == "units"]
    assert len(found) == 1
    assert not found[0].frames or max(found[0].frames) >= 16
