"""The frames of a file in DeePMD's arrays."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from deepattn.errors import DataError
from deepattn.foreign.detect import DUMP, detect_foreign

if TYPE_CHECKING:
    import dpdata

# By dpdata's names those of DeePMD.
_ARRAYS = {
    "coords": "coord",
    "cells": "box",
    "energies": "energy",
    "forces": "force",
    "virials": "virial",
}


@dataclass(frozen=True)
class StoredFrames:
    """Frames of one number of atoms.

    Attributes:
        names: Names of the types; ``1``, ``2``, … if they are numbered.
        atype: ``[natoms]``, indices into ``names``.
        periodic: Whether the cells repeat.
        arrays: ``[nframes, …]`` by DeePMD's names: ``coord`` and ``box`` (Å), ``energy`` (eV),
            ``force`` (eV/Å), ``virial`` (eV), ``real_atom_types`` if each frame has types of its
            own, ``timestep``.
        numbered: Whether the file has no names, but only numbers.
    """

    names: list[str]
    atype: np.ndarray
    periodic: bool
    arrays: Mapping[str, np.ndarray]
    numbered: bool = False


def read_file(path: str | os.PathLike, *, labeled: bool = True) -> dict[str, StoredFrames]:
    """Frames of a file for which `detect_foreign` knows a format.

    Args:
        path: The file.
        labeled: Whether only frames with an energy count, or all as geometries alone where the
            format (extended XYZ, ``.traj``) allows for frames without labels.

    Returns:
        The frames, by formula, with ``,open`` for those with open boundaries if there are periodic
        ones too; those of a LAMMPS dump, without labels, by an empty name.

    Raises:
        DataError: The file cannot be read, or has nothing to take.
    """
    # dpdata and ASE take a second to load, which only who reads such a file shall wait.
    from deepattn.foreign.dump import read_dump
    from deepattn.foreign.labeled import NAMED, gather, gather_geometries, name_all

    path = os.fspath(path)
    form = detect_foreign(path)
    if form is None:
        raise DataError(f"{path}: has an unknown format")
    if form == DUMP:
        return {"": read_dump(path)}
    geometries = form in NAMED and not labeled
    systems = gather_geometries(path, form) if geometries else gather([(path, form)])
    return {name: _frames(system) for name, system in name_all(systems).items()}


def _frames(system: dpdata.System) -> StoredFrames:
    """Arrays that dpdata would write for a system, in the same precision."""
    arrays = {}
    for name, ours in _ARRAYS.items():
        values = np.asarray(system.data.get(name, ()), np.float64)
        if values.size:
            arrays[ours] = values
    return StoredFrames(
        names=list(system["atom_names"]),
        atype=np.asarray(system["atom_types"]),
        periodic=not system.data.get("nopbc", False),
        arrays=arrays,
    )
