"""Frames as ``ase.Atoms``, whatever kind of file they are in, and momenta to move them with."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ase import Atoms, units
from ase.data import atomic_numbers
from ase.io import read

from deepattn.data.search import find_systems
from deepattn.data.system import System
from deepattn.errors import DataError


def read_atoms(path: str | os.PathLike, frames: slice = slice(None)) -> list[Atoms]:
    """Read frames.

    Args:
        path: A DeePMD system, a folder or HDF5 or LMDB file of them, or any file that ASE reads.
        frames: Which ones, counted through all systems; all by default.

    Raises:
        DataError: There is none, the file cannot be read, or types are not named after elements.
        OSError: The file cannot be opened.
    """
    path = os.fspath(path)
    if Path(path).is_dir() or "#" in path or Path(path).suffix in (".hdf5", ".h5", ".lmdb"):
        return list(_read_systems(path, frames))
    try:
        found = read(path, index=frames)
    # Readers of many formats raise whatever they like.
    except Exception as error:
        if isinstance(error, OSError) and error.errno:
            raise
        raise DataError(f"{path}: ASE cannot read it ({type(error).__name__}: {error})") from None
    if not found:
        raise DataError(f"{path}: there are no atoms in it")
    return found


def thermal_momenta(
    masses: np.ndarray, temperature: float, random: np.random.Generator
) -> np.ndarray:
    """Random momenta of a temperature (K) that add up to none, in ASE's units, ``[natoms, 3]``."""
    width = np.sqrt(masses * units.kB * temperature)
    momenta = width[:, None] * random.normal(size=(len(masses), 3))
    return momenta - masses[:, None] * momenta.sum(axis=0) / masses.sum()


def _read_systems(path: str, frames: slice) -> Iterator[Atoms]:
    systems = [System(place) for place in find_systems(path)]
    places = [(system, frame) for system in systems for frame in range(system.nframes)]
    for system, frame in places[frames]:
        kinds = system.atype([frame])[0]
        real = kinds >= 0
        names = [] if system.type_map is None else [system.type_map[kind] for kind in kinds[real]]
        if not names or not set(names) <= set(atomic_numbers):
            raise DataError(f"{system.path}: its type_map.raw does not name elements, so no masses")
        yield Atoms(
            names,
            system.load("coord", [frame]).reshape(-1, 3)[real],
            cell=system.load("box", [frame]).reshape(3, 3) if system.periodic else None,
            pbc=system.periodic,
        )
