"""Detection of the formats of other codes."""

from __future__ import annotations

import os
from fnmatch import fnmatch
from pathlib import Path

DUMP = "lammps/dump"
# Endings go first: ``OUTCAR.extxyz`` and ``OUTCARs.hdf5`` are what somebody made of an ``OUTCAR``.
_NAMES = {
    "*.hdf5": None,
    "*.h5": None,
    "*.extxyz": "extxyz",
    "*.xyz": "extxyz",
    "*.traj": "ase/traj",
    "OUTCAR*": "vasp/outcar",
    "vasprun*.xml": "vasp/xml",
    "MOVEMENT": "pwmat/movement",
}
_BEGINNING = b"ITEM: "


def format_by_name(path: str | os.PathLike) -> str | None:
    """dpdata's format of labeled frames, or ``None`` if the file name does not determine it."""
    name = Path(path).name
    return next((form for pattern, form in _NAMES.items() if fnmatch(name, pattern)), None)


def detect_foreign(path: str | os.PathLike) -> str | None:
    """Format of a file that `read_file` reads, ``None`` for all else.

    Dumps of LAMMPS have any name, and are known by how they begin.
    """
    if not os.path.isfile(path):
        return None
    form = format_by_name(path)
    if form is None:
        with open(path, "rb") as file:
            form = DUMP if file.read(len(_BEGINNING)) == _BEGINNING else None
    return form
