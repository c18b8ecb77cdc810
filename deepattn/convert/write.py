"""Writing systems in DeePMD's layouts, whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import dpdata

from deepattn.errors import DataError
from deepattn.foreign.labelled import formula
from deepattn.formats.files import check_folder, scratch_folder

# By our names those of dpdata.
LAYOUTS = {"npy": "deepmd/npy", "mixed": "deepmd/npy/mixed", "hdf5": "deepmd/hdf5", "lmdb": "lmdb"}


def write_systems(systems: dpdata.MultiSystems, target: str | os.PathLike, layout: str) -> Path:
    """Write all frames.

    Args:
        systems: what to write.
        target: folder or file, which must not exist.
        layout: ``npy``, one system for each composition; ``mixed``, one for each number of atoms;
            ``hdf5``, one file; ``lmdb``.

    Returns:
        The path written.

    Raises:
        DataError: the target exists, or its folder does not.
    """
    target = Path(target).absolute()
    if target.exists():
        raise DataError(f"{target} exists; remove it or name another --output")
    check_folder(target)
    with scratch_folder(target) as folder:
        written = folder / target.name
        if layout == "npy":
            # dpdata's own names list all elements, those that a system has not as well.
            for system in systems.systems.values():
                system.to(LAYOUTS[layout], str(written / formula(system)))
        else:
            systems.to(LAYOUTS[layout], str(written))
        os.replace(written, target)
    return target
