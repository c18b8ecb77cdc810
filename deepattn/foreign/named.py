"""Energies, forces and virials under the names that files use."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from dpdata.unit import EnergyConversion, ForceConversion, PressureConversion

from deepattn.errors import DataError, show

log = logging.getLogger(__name__)

# Names of labels: DeePMD's and ASE's, alone or marked as those of a reference.
_NAME = re.compile(
    r"(?P<mark>(ref|dft)[_-])?"
    r"(?P<kind>energy|energies|forces?|virials?|stress|stresses)",
    re.IGNORECASE,
)
_KINDS = {
    "energy": ("energy", "energies"),
    "force": ("force", "forces"),
    "virial": ("virial", "virials", "stress", "stresses"),
}
_FREE_ENERGY = "free_energy"
# Values under two names are the same if they differ by rounding only; a stress is often given with
# few digits.
_ROUNDING = {"energy": 1e-6, "force": 1e-6, "virial": 1e-3}

_ENERGIES = {
    "ev": "eV",
    "hartree": "hartree",
    "ha": "hartree",
    "au": "hartree",
    "a.u.": "hartree",
    "ry": "rydberg",
    "rydberg": "rydberg",
    "kcal/mol": "kcal_mol",
    "kcal_mol": "kcal_mol",
    "kj/mol": "kJ_mol",
    "kj_mol": "kJ_mol",
}
_LENGTHS = {
    "angstrom": "angstrom",
    "ang": "angstrom",
    "a": "angstrom",
    "å": "angstrom",
    "bohr": "bohr",
    "nm": "nm",
}
_PRESSURES = {"gpa": "GPa", "kpa": "kPa", "pa": "Pa", "kbar": "kbar", "bar": "bar"}


@dataclass(frozen=True)
class LabelKeys:
    """Names of labels to use, whatever others there are; None infers them from the file."""

    energy: str | None = None
    force: str | None = None
    virial: str | None = None


@dataclass(frozen=True)
class NamedFrame:
    """A frame as stored in its file.

    Attributes:
        names: Element of each atom.
        coord: ``[natoms, 3]``, Å.
        box: ``[3, 3]``, Å, or None.
        periodic: Whether the cell repeats in any direction.
        partly: Whether it repeats in some directions, and not in all.
        info: Values of the frame, by name.
        arrays: Three numbers of each atom, ``[natoms, 3]``, by name.
    """

    names: Sequence[str]
    coord: np.ndarray
    box: np.ndarray | None
    periodic: bool
    partly: bool
    info: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)


def take_labels(
    path: str, frames: Sequence[NamedFrame], keys: LabelKeys
) -> list[dict[str, np.ndarray]]:
    """The labels of each frame: ``energy`` (eV), ``force`` (eV/Å), ``virial`` (eV).

    A virial is taken as it is, or is −V times a stress.

    Raises:
        DataError: A key is in no frame, a value has another shape, or two names have different
            values.
    """
    labels: list[dict[str, np.ndarray]] = [{} for _ in frames]
    used = {}
    for label in _KINDS:
        asked = getattr(keys, label)
        names = [asked] if asked else list(_names(label, frames))
        if asked and not any(asked in _values(label, frame) for frame in frames):
            known = {name for frame in frames for name in _values(label, frame)}
            raise DataError(
                f"{path}: no frame has {show(asked)} for --{label}-key; available are "
                f"{', '.join(sorted(known)) or 'no other names'}"
            )
        for number, frame in enumerate(frames):
            where = f"{path}: frame {number}"
            values = {name: _value(label, name, frame, where) for name in names}
            found = {name: value for name, value in values.items() if value is not None}
            _refuse_two(label, names, found, where)
            if found:
                labels[number][label] = found[next(iter(found))]
                used[label] = next(iter(found))
    renamed = [f"{label} from {name}" for label, name in used.items() if not _is_plain(name)]
    if renamed:
        log.info("%s: labels are read from other names: %s", path, ", ".join(renamed))
    return labels


def known_names(frames: Sequence[NamedFrame]) -> list[str]:
    """Names in a file that resemble an energy or a force."""
    names = {name for frame in frames for name in (*frame.info, *frame.arrays)}
    return sorted(name for name in names if re.search("energ|forc|_e$|^e_", name, re.IGNORECASE))


def _values(label: str, frame: NamedFrame) -> Mapping[str, Any]:
    return frame.arrays if label == "force" else frame.info


def _names(label: str, frames: Sequence[NamedFrame]) -> Iterator[str]:
    """Names of a label in a file, those without a mark first."""
    known = {}
    for frame in frames:
        for name in _values(label, frame):
            found = _NAME.fullmatch(name)
            if found is not None and found["kind"].lower() in _KINDS[label]:
                place = _KINDS[label].index(found["kind"].lower())
                known[name] = (found["mark"] is not None, place)
    yield from sorted(known, key=lambda name: known[name])
    if label == "energy" and not known:
        yield _FREE_ENERGY


def _is_plain(name: str) -> bool:
    found = _NAME.fullmatch(name)
    return found is not None and found["mark"] is None


def _refuse_two(
    label: str, names: Sequence[str], found: Mapping[str, np.ndarray], where: str
) -> None:
    """Refuse a choice between names that would make other labels."""
    if len(names) < 2 or not found:
        return
    (first, value), *others = found.items()
    scale = 1 + np.abs(value).max()
    for name, other in others:
        if np.abs(other - value).max() > _ROUNDING[label] * scale:
            raise DataError(
                f"{where} has both {first} and {name}, which differ; choose the label with "
                f"deepattn convert --{label}-key {name}"
            )
    # Of virials and stresses under one mark a file may have what it likes.
    marks = {match["mark"] for match in map(_NAME.fullmatch, names) if match is not None}
    if len(found) < len(names) and len(marks) > 1:
        [missing, *_] = [name for name in names if name not in found]
        raise DataError(
            f"{where} has {first} but no {missing}, which other frames have; choose the "
            f"label with deepattn convert --{label}-key {missing}"
        )


def _value(label: str, name: str, frame: NamedFrame, where: str) -> np.ndarray | None:
    if name not in _values(label, frame):
        return None
    value = np.asarray(_values(label, frame)[name])
    sizes = {"energy": (1,), "force": (3 * len(frame.names),), "virial": (6, 9)}[label]
    if value.dtype.kind not in "fiu" or value.size not in sizes:
        raise DataError(
            f"{where}, {name}: expected {' or '.join(map(str, sizes))} numbers, not "
            f"{show(_values(label, frame)[name])}"
        )
    value = value.astype(np.float64)
    if label == "energy":
        return value.reshape(()) * _factor(frame, "energy", where)
    if label == "force":
        return value.reshape(-1, 3) * _factor(frame, "force", where)
    stress = "stress" in name.lower()
    if value.size == 6:
        # As Voigt and ASE order them.
        xx, yy, zz, yz, xz, xy = value.ravel()
        value = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    value = value.reshape(3, 3)
    if not stress:
        return value * _factor(frame, "energy", where)
    if frame.box is None:
        return None
    return -abs(np.linalg.det(frame.box)) * value * _factor(frame, "stress", where)


def _factor(frame: NamedFrame, kind: str, where: str) -> float:
    """Factor from the unit that a frame declares, if any, to eV, eV/Å or eV/Å³."""
    unit = frame.info.get(f"{kind}-unit", frame.info.get(f"{kind}_unit"))
    if unit is None:
        return 1.0
    # The sign of the unit Å is another one than the letter, and small letters make them equal.
    text = str(unit).strip().lower().replace("³", "^3")
    text = "hartree/bohr" if kind == "force" and text in ("au", "a.u.") else text
    energy, _, length = text.rpartition("/")
    try:
        if kind == "energy":
            return EnergyConversion(_ENERGIES[text], "eV").value()
        if kind == "force":
            named = f"{_ENERGIES[energy]}/{_LENGTHS[length.rstrip('.')]}"
            return ForceConversion(named, "eV/angstrom").value()
        pressure = _PRESSURES.get(text)
        if pressure is None:
            pressure = f"{_ENERGIES[energy]}/{_LENGTHS[length.removesuffix('^3')]}^3"
        return PressureConversion(pressure, "eV/angstrom^3").value()
    except KeyError:
        raise DataError(f"{where} has the unknown {kind}_unit={show(unit)}") from None
