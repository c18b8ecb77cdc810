"""Frames of first-principles codes, with their labels or as geometries alone."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator, Sequence

import ase.io
import dpdata
import numpy as np
from dpdata.system import load_format

from deepattn.errors import DataError
from deepattn.foreign.extxyz import read_extxyz
from deepattn.foreign.named import LabelKeys, NamedFrame, known_names, take_labels
from deepattn.progress import tracked

log = logging.getLogger(__name__)

# Formats that name their labels, if there are any.
NAMED = ("extxyz", "ase/traj")
# By DeePMD's names those of dpdata.
_LABELS = {"energy": "energies", "force": "forces", "virial": "virials"}
# Å. The cell that dpdata gives to frames without one.
_NO_CELL = 100.0 * np.eye(3)
# Per-atom contributions, which ASE stores next to the labels.
_OF_ATOMS = ("energies", "stresses")
# dpdata's message about inconsistent frames of one composition.
_UNLIKE = re.compile(r"(?:this|system) has (\w+), but")


def gather(
    sources: Sequence[tuple[str, str]],
    type_map: Sequence[str] | None = None,
    keys: LabelKeys | None = None,
) -> dpdata.MultiSystems:
    """Read labeled frames.

    Args:
        sources: Files, each with dpdata's name of its format.
        type_map: Names of the types, in the order that they are to have.
        keys: Names of the labels in extended XYZ and ``.traj``.

    Returns:
        The frames, by composition, those with open boundaries apart from periodic ones. Steps
        whose electrons did not converge are left out.

    Raises:
        DataError: A file cannot be read, has no labeled frame, or has an element that
            ``type_map`` leaves out; of one composition some frames have forces or virials and some
            do not.
    """
    kinds = {is_open: _empty(type_map) for is_open in (False, True)}
    for path, form in tracked(sources, "reading"):
        for system in _read(path, form, keys or LabelKeys()):
            _refuse_unknown(path, system, type_map)
            _append(kinds[opened(system)], system, path, form)
    return _join(kinds)


def gather_geometries(path: str, form: str) -> dpdata.MultiSystems:
    """Read all frames of a file that names its labels, and leave the labels out.

    Raises:
        DataError: The file cannot be read.
    """
    kinds = {is_open: _empty(None) for is_open in (False, True)}
    frames = _named_frames(path, form)
    for system in _systems(frames, [{} for _ in frames], dpdata.System):
        _append(kinds[opened(system)], system, path, form)
    return _join(kinds)


def opened(system: dpdata.System) -> bool:
    """Whether the boundaries of a system are open."""
    return bool(system.data.get("nopbc", False))


def name_all(systems: dpdata.MultiSystems) -> dict[str, dpdata.System]:
    """Systems by formula; ``H2O,open`` has open boundaries, if there are periodic ones too."""
    found = list(systems.systems.values())
    both = len({opened(system) for system in found}) > 1
    return {
        formula(system) + (",open" if both and opened(system) else ""): system for system in found
    }


def _empty(type_map: Sequence[str] | None) -> dpdata.MultiSystems:
    return dpdata.MultiSystems(type_map=None if type_map is None else list(type_map))


def _append(systems: dpdata.MultiSystems, system: dpdata.System, path: str, form: str) -> None:
    try:
        systems.append(system)
    except RuntimeError as error:
        raise DataError(_refusal(path, form, error)) from None


def _join(kinds: dict[bool, dpdata.MultiSystems]) -> dpdata.MultiSystems:
    """Periodic and open systems with the same names of types; dpdata joins those of one formula."""
    if not all(kinds[is_open].systems for is_open in kinds):
        return kinds[not kinds[False].systems]
    names = list(dict.fromkeys([*kinds[False].atom_names, *kinds[True].atom_names]))
    joined = dpdata.MultiSystems(type_map=names)
    for is_open, systems in kinds.items():
        for key, system in systems.systems.items():
            system.add_atom_names([name for name in names if name not in system["atom_names"]])
            system.sort_atom_names(type_map=names)
            joined.systems[f"{key},open" if is_open else key] = system
    return joined


def formula(system: dpdata.System) -> str:
    """Numbers of atoms by element, such as ``H128O64``, in the order of the types."""
    counts = zip(system["atom_names"], system["atom_numbs"], strict=True)
    return "".join(f"{name}{count}" for name, count in counts if count)


def _read(path: str, form: str, keys: LabelKeys) -> list[dpdata.LabeledSystem]:
    """The frames of one file, by composition."""
    if form in NAMED:
        return _read_named(path, form, keys)
    with warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("always")
        try:
            if form == "lmdb":
                found = list(_each(path, form))
            elif form == "deepmd/npy/mixed":
                found = list(dpdata.MultiSystems.from_file(path, fmt=form).systems.values())
            else:
                found = [dpdata.LabeledSystem(path, fmt=form)]
            if form == "deepmd/hdf5":
                found[0].sort_atom_names()
        except OSError:
            raise
        # Readers of forty formats raise whatever they like.
        except Exception as error:
            raise DataError(_refusal(path, form, error)) from None
    for warning in noted:
        log.warning("%s: %s", path, " ".join(str(warning.message).split()))
    labeled = [system for system in found if "energies" in system.data and len(system)]
    if not labeled:
        raise DataError(f"{path}: has no frame with an energy, read as {form}")
    return labeled


def _each(path: str, form: str) -> Iterator[dpdata.LabeledSystem]:
    """The systems of a file one by one; dpdata would join periodic and open ones of a formula."""
    reader = load_format(form)
    for part in reader.from_multi_systems(path):
        system = dpdata.LabeledSystem().from_fmt_obj(reader, part)
        system.sort_atom_names()
        yield system


def _read_named(path: str, form: str, keys: LabelKeys) -> list[dpdata.LabeledSystem]:
    frames = _named_frames(path, form)
    labels = take_labels(path, frames, keys)
    chosen = [place for place, found in enumerate(labels) if "energy" in found]
    if not chosen:
        alike = ", ".join(known_names(frames))
        raise DataError(
            f"{path}: has no frame with an energy"
            + (f"; did you mean one of {alike} (deepattn convert --energy-key)?" if alike else "")
        )
    if len(chosen) < len(frames):
        log.warning("%s: skipped frames without energy: %d", path, len(frames) - len(chosen))
    if not any("force" in labels[place] for place in chosen):
        log.warning("%s: frames have energies but no forces", path)
    return _systems(
        [frames[place] for place in chosen],
        [labels[place] for place in chosen],
        dpdata.LabeledSystem,
    )


def _named_frames(path: str, form: str) -> list[NamedFrame]:
    frames = read_extxyz(path) if form == "extxyz" else _read_trajectory(path)
    for number, frame in enumerate(frames):
        box = frame.box
        if not frame.periodic:
            continue
        if box is None:
            raise DataError(f"{path}: frame {number} is periodic, but has no cell")
        if not abs(np.linalg.det(box)) > 0:
            raise DataError(
                f"{path}: frame {number} is periodic, but its cell {box.tolist()} has no volume"
            )
    if partly := sum(frame.partly for frame in frames):
        log.warning(
            "%s: frames that are periodic in some directions only are treated as periodic "
            "in all: %d",
            path,
            partly,
        )
    return frames


def _read_trajectory(path: str) -> list[NamedFrame]:
    """The frames of a trajectory of ASE. The energy is the free energy, if there is one."""
    frames = []
    try:
        for atoms in ase.io.iread(path, format="traj"):
            results = {} if atoms.calc is None else dict(atoms.calc.results)
            if (free := results.pop("free_energy", None)) is not None:
                results["energy"] = free
            # ASE writes what it has no value for as None.
            labels = {
                name: value
                for name, value in results.items()
                if value is not None and name not in _OF_ATOMS
            }
            arrays = {**atoms.arrays, **labels}
            frames.append(
                NamedFrame(
                    names=atoms.get_chemical_symbols(),
                    coord=atoms.positions,
                    box=atoms.cell.array if atoms.cell.array.any() else None,
                    periodic=bool(atoms.pbc.any()),
                    partly=bool(atoms.pbc.any() and not atoms.pbc.all()),
                    info={**atoms.info, **labels},
                    arrays={
                        name: array
                        for name, array in arrays.items()
                        if np.shape(array) == (len(atoms), 3)
                    },
                )
            )
    except OSError:
        raise
    # ASE raises whatever it likes on a damaged file.
    except Exception as error:
        raise DataError(_refusal(path, "ase/traj", error)) from None
    if not frames:
        raise DataError(f"{path} has no frames")
    return frames


def _systems(
    frames: Sequence[NamedFrame],
    labels: Sequence[dict[str, np.ndarray]],
    kind: type[dpdata.System],
) -> list[dpdata.System]:
    """Frames of the same atoms, boundaries and labels together, in their order."""
    groups: dict[tuple, list[int]] = {}
    for place, (frame, found) in enumerate(zip(frames, labels, strict=True)):
        token = (tuple(sorted(frame.names)), frame.periodic, tuple(found))
        groups.setdefault(token, []).append(place)
    return [
        kind(data=_data([frames[k] for k in places], [labels[k] for k in places]))
        for places in groups.values()
    ]


def _data(frames: Sequence[NamedFrame], labels: Sequence[dict[str, np.ndarray]]) -> dict:
    """Dpdata's dictionary of frames of the same atoms, whose order may differ."""
    names = sorted(set(frames[0].names))
    place = {name: index for index, name in enumerate(names)}
    types = np.array([[place[name] for name in frame.names] for frame in frames])
    order = np.broadcast_to(np.arange(types.shape[1]), types.shape)
    if (types != types[0]).any():
        order = np.argsort(types, axis=1, kind="stable")
    cells = [_NO_CELL if frame.box is None else frame.box for frame in frames]
    data = {
        "atom_names": names,
        "atom_numbs": [int((types[0] == index).sum()) for index in range(len(names))],
        "atom_types": types[0][order[0]],
        "orig": np.zeros(3),
        "cells": np.array(cells),
        "coords": np.array([f.coord[rows] for f, rows in zip(frames, order, strict=True)]),
        "nopbc": not frames[0].periodic,
    }
    for name in labels[0]:
        values = [found[name] for found in labels]
        if name == "force":
            values = [value[rows] for value, rows in zip(values, order, strict=True)]
        data[_LABELS[name]] = np.array(values)
    return data


def _refusal(path: str, form: str, error: Exception) -> str:
    if found := _UNLIKE.match(str(error)):
        return (
            f"{path}: of the frames of one composition, here or in files read before, only "
            f"some have {found[1]}; put those with and without into separate files and read "
            "these separately"
        )
    return f"{path}: cannot be read as {form} ({type(error).__name__}: {error})"


def _refuse_unknown(
    path: str, system: dpdata.LabeledSystem, type_map: Sequence[str] | None
) -> None:
    if type_map is None:
        return
    counts = zip(system["atom_names"], system["atom_numbs"], strict=True)
    if unknown := [name for name, count in counts if count and name not in type_map]:
        raise DataError(
            f"{path}: has atoms of {', '.join(unknown)}, not in the type map {' '.join(type_map)}"
        )
