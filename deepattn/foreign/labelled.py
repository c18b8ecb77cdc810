"""Labelled frames of first-principles codes."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Sequence

import ase.io
import dpdata
import numpy as np

from deepattn.errors import DataError
from deepattn.progress import tracked

log = logging.getLogger(__name__)

# Formats whose files hold frames of several compositions.
_MANY = ("extxyz", "deepmd/npy/mixed", "deepmd/hdf5", "lmdb")
_BY_FRAME = ("coords", "cells", "energies", "forces", "virials")
# What dpdata says of frames of one composition that do not go together.
_UNLIKE = re.compile(r"(?:this|system) has (\w+), but")


def gather(
    sources: Sequence[tuple[str, str]], type_map: Sequence[str] | None = None
) -> dpdata.MultiSystems:
    """Read labelled frames.

    Args:
        sources: files, each with dpdata's name of its format.
        type_map: names of the types, in the order that they are to have.

    Returns:
        The frames, by composition. Steps whose electrons did not converge are left out.

    Raises:
        DataError: a file cannot be read, has no labelled frame, or has an element that
            ``type_map`` leaves out; some frames are periodic and some are not, or
            of one composition some have virials and some do not.
    """
    systems = dpdata.MultiSystems(type_map=None if type_map is None else list(type_map))
    kinds: dict[bool, str] = {}
    for path, form in tracked(sources, "reading"):
        for system in _read(path, form):
            _refuse_unknown(path, system, type_map)
            is_open = bool(system.data.get("nopbc", False))
            kinds.setdefault(is_open, path)
            if len(kinds) > 1:
                raise DataError(_mixture(kinds))
            try:
                systems.append(system)
            except RuntimeError as error:
                raise DataError(_refusal(path, form, error)) from None
    return systems


def formula(system: dpdata.System) -> str:
    """Numbers of atoms by element, such as ``H128O64``, in the order of the types."""
    counts = zip(system["atom_names"], system["atom_numbs"], strict=True)
    return "".join(f"{name}{count}" for name, count in counts if count)


def _read(path: str, form: str) -> list[dpdata.LabeledSystem]:
    """The frames of one file, by composition."""
    with warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("always")
        try:
            if form in _MANY:
                found = list(dpdata.MultiSystems.from_file(path, fmt=form).systems.values())
            elif form == "ase/traj":
                found = _read_trajectory(path)
            else:
                found = [dpdata.LabeledSystem(path, fmt=form)]
        except OSError:
            raise
        # Readers of forty formats raise whatever they like.
        except Exception as error:
            raise DataError(_refusal(path, form, error)) from None
    for warning in noted:
        log.warning("%s: %s", path, " ".join(str(warning.message).split()))
    labelled = [system for system in found if "energies" in system.data and len(system)]
    if not labelled:
        raise DataError(f"{path}: has no frame with an energy, read as {form}")
    return labelled


def _read_trajectory(path: str) -> list[dpdata.LabeledSystem]:
    """The frames of a trajectory of ASE, together where atoms and labels are the same.

    As a whole, dpdata takes the elements of all frames from the first.
    """
    groups: dict[tuple, list[dict]] = {}
    unlabelled = 0
    for atoms in ase.io.iread(path, format="traj"):
        if atoms.calc is None or not {"energy", "forces"} <= atoms.calc.results.keys():
            unlabelled += 1
            continue
        # ASE gives no force on an atom that a constraint holds.
        atoms.set_constraint()
        data = dpdata.LabeledSystem(atoms, fmt="ase/structure").data
        kind = (*atoms.numbers, "virials" in data, data.get("nopbc", False))
        groups.setdefault(kind, []).append(data)
    if unlabelled:
        log.warning("%s: frames without energy or forces are left out: %d", path, unlabelled)
    return [dpdata.LabeledSystem(data=_join(frames)) for frames in groups.values()]


def _join(frames: Sequence[dict]) -> dict:
    """Frames of the same atoms as one of dpdata's dictionaries."""
    present = [name for name in _BY_FRAME if name in frames[0]]
    return frames[0] | {name: np.concatenate([data[name] for data in frames]) for name in present}


def _refusal(path: str, form: str, error: Exception) -> str:
    if found := _UNLIKE.match(str(error)):
        return (
            f"{path}: some frames of one composition have {found[1]} and some, here or in what was "
            "read before, do not; put the two kinds into files of their own and read these apart"
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


def _mixture(kinds: dict[bool, str]) -> str:
    if kinds[False] == kinds[True]:
        return f"{kinds[True]}: some of its frames are periodic and some are not; split the file"
    return f"{kinds[False]} is periodic and {kinds[True]} is not; convert them apart"
