#!/usr/bin/env python3
"""Which mistakes of sign, unit and order ``deepattn check`` finds in which data: a table.

    python tests/tools/planted_mistakes.py water=/data/water llzo=/data/llzo

Each set is written to a temporary folder with one mistake after the other and checked as a whole.
A cell says ``F`` for a fault or ``D`` for a doubt whose sentence names the mistake, ``f`` or ``d``
if it does not; ``–`` where nothing is said of units or lengths, and ``?`` if the test says that it
could not be made.
"""

import argparse
import re
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from ase.units import Bohr, GPa, Hartree, Rydberg, kcal, kJ, mol

from deepattn.check import FAULT, check_data, pair_model
from deepattn.data import find_systems

_CHECKS = {"units", "lengths", "box", "overlap", "virial", "distance"}


# The tests that could find a mistake in a label.
_ABOUT = {
    "energy": {"energy against forces"},
    "force": {"sign of forces", "energy against forces"},
    "virial": {"virial against forces"},
    "": set(),
}


def _label(mistake):
    """The label that a mistake is in."""
    words = {"energ": "energy", "force": "force", "virial": "virial", "stress": "virial"}
    return next((label for word, label in words.items() if word in mistake), "")


def _times(factor, *labels):
    def change(arrays, _random):
        for label in labels:
            if label in arrays:
                arrays[label] = arrays[label] * factor

    return change


def _shuffled_energies(arrays, random):
    arrays["energy"] = random.permutation(arrays["energy"])


def _shuffled_forces(arrays, random):
    force = arrays["force"].reshape(len(arrays["energy"]), -1, 3)
    arrays["force"] = _permuted(force, random)


def _permuted(force, random):
    order = np.argsort(random.random(force.shape[:2]), axis=1)
    return np.take_along_axis(force, order[:, :, None], axis=1).reshape(len(force), -1)


def _per_atom(arrays, _random):
    natoms = arrays["coord"].shape[1] // 3
    arrays["energy"] = arrays["energy"] / natoms


def _stress(unit):
    def change(arrays, _random):
        if "virial" in arrays:
            volume = np.abs(np.linalg.det(arrays["box"].reshape(-1, 3, 3)))
            arrays["virial"] = arrays["virial"] / volume[:, None] / unit

    return change


# The mistake, and words that the finding must contain.
MISTAKES = {
    "none": (lambda arrays, random: None, "(?!)"),
    "energy negated": (_times(-1, "energy"), "energy has the wrong sign"),
    "force negated": (_times(-1, "force"), "force has the wrong sign"),
    "virial negated": (_times(-1, "virial"), "virial has the wrong sign"),
    "force and virial negated": (_times(-1, "force", "virial"), "force has the wrong sign"),
    "energy in Hartree": (_times(1 / Hartree, "energy"), "energy is in Hartree"),
    "energy × 27.2": (_times(Hartree, "energy"), "converted from Hartree twice"),
    "energy in Rydberg": (_times(1 / Rydberg, "energy"), "energy is in Rydberg"),
    "energy in kcal/mol": (_times(mol / kcal, "energy"), "energy is in kcal/mol"),
    "energy × 0.0434": (_times(kcal / mol, "energy"), "kcal/mol"),
    "energy in kJ/mol": (_times(mol / kJ, "energy"), "energy is in kJ/mol"),
    "energy per atom": (_per_atom, "energy is per atom"),
    "energies of other frames": (_shuffled_energies, "does it belong to these frames"),
    "force in Ha/bohr": (_times(Bohr / Hartree, "force"), "force is in Hartree/Bohr"),
    "force in Ry/bohr": (_times(Bohr / Rydberg, "force"), "force is in Rydberg/Bohr"),
    "force in kcal/mol/Å": (_times(mol / kcal, "force"), "force is in kcal/mol"),
    "forces of other atoms": (_shuffled_forces, "order of coord"),
    "virial in Hartree": (_times(1 / Hartree, "virial"), "virial is in Hartree"),
    "stress in eV/Å³": (_stress(1.0), "stress in eV/Å³"),
    "stress in kbar": (_stress(GPa / 10), "stress in kbar"),
    "stress in GPa": (_stress(GPa), "stress in GPa"),
    "−stress in GPa": (_stress(-GPa), "stress in GPa, and the virial has the wrong sign"),
    "lengths in bohr": (_times(1 / Bohr, "coord", "box"), "Bohr"),
    "lengths in nm": (_times(0.1, "coord", "box"), "nm"),
    "lengths in pm": (_times(100.0, "coord", "box"), "pm"),
    "all in Ha, Å": (_times(1 / Hartree, "energy", "force", "virial"), "Hartree/Å"),
}


def _remember_designs():
    """Describe the same frames once: a fit to other labels needs no other description."""
    known, design = {}, pair_model.design

    def remembered(frame, elements):
        key = (
            frame.atoms.positions.tobytes(),
            frame.atoms.cell.array.tobytes(),
            elements.tobytes(),
        )
        if key not in known:
            known[key] = design(frame, elements)
        return known[key]

    pair_model.design = remembered
    return known


def _planted(source, target, change):
    """A copy of a set with a mistake."""
    random = np.random.default_rng(0)
    shutil.copytree(source, target, copy_function=shutil.copyfile)
    for file in sorted(target.rglob("energy.npy")):
        folder = file.parent
        names = ("coord", "box", "energy", "force", "virial")
        found = {name: np.load(folder / f"{name}.npy") for name in names if _has(folder, name)}
        arrays = {name: array.reshape(len(array), -1) for name, array in found.items()}
        arrays = {name: array.astype(float) for name, array in arrays.items()}
        arrays["energy"] = arrays["energy"].ravel()
        change(arrays, random)
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", array)


def _has(folder, name):
    return (folder / f"{name}.npy").is_file()


def _cell(name, words, findings, before):
    labels = [x for x in findings if x.check in _CHECKS and (x.level, x.check) not in before]
    if not labels:
        left_out = {x.check for x in findings.not_tested}
        return "?" if left_out & _ABOUT[_label(name)] else "–"
    level = "f" if any(x.level == FAULT for x in labels) else "d"
    return level.upper() if any(re.search(words, x.message) for x in labels) else level


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", metavar="NAME=FOLDER", nargs="+")
    parser.add_argument("--mistakes", nargs="+", choices=MISTAKES, default=list(MISTAKES))
    arguments = parser.parse_args()
    names = [entry.partition("=")[0] for entry in arguments.sets]
    rows = {mistake: [] for mistake in arguments.mistakes}
    known = _remember_designs()
    with tempfile.TemporaryDirectory() as folder:
        for entry in arguments.sets:
            name, _, source = entry.partition("=")
            has_virial = any(Path(source).rglob("virial.npy"))
            before = set()
            for mistake in arguments.mistakes:
                change, words = MISTAKES[mistake]
                if not has_virial and _label(mistake) == "virial":
                    rows[mistake].append("")
                    continue
                target = Path(folder) / "data"
                _planted(source, target, change)
                findings = check_data(find_systems(str(target)))
                shutil.rmtree(target)
                rows[mistake].append(_cell(mistake, words, findings, before))
                print(f"{name}: {mistake}: {rows[mistake][-1]}", file=sys.stderr, flush=True)
                if mistake == "none":
                    before = {(x.level, x.check) for x in findings}
            known.clear()
    print("| mistake |", " | ".join(names), "|")
    print("|---" * (len(names) + 1) + "|")
    for mistake, cells in rows.items():
        print(f"| {mistake} |", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
