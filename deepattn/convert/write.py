"""Atomic writing of systems in DeePMD's layouts."""

from __future__ import annotations

import os
from pathlib import Path

import dpdata
import h5py

from deepattn.errors import DataError
from deepattn.foreign.labeled import formula, opened
from deepattn.formats.files import check_folder, scratch_folder

# By our names those of dpdata.
LAYOUTS = {"npy": "deepmd/npy", "mixed": "deepmd/npy/mixed", "hdf5": "deepmd/hdf5", "lmdb": "lmdb"}


def write_systems(systems: dpdata.MultiSystems, target: str | os.PathLike, layout: str) -> Path:
    """Write all frames.

    Args:
        systems: Systems to write.
        target: Folder or file, which must not exist.
        layout: ``npy``, one system for each composition; ``mixed``, one for each number of atoms;
            ``hdf5``, one file; ``lmdb``. Where some are periodic and some open, the two kinds are
            in folders, or groups, ``periodic`` and ``open``; an LMDB distinguishes them itself.

    Returns:
        The path written.

    Raises:
        DataError: The target exists, or its folder does not.
    """
    target = Path(target).absolute()
    if target.exists():
        raise DataError(f"{target} exists; remove it or name another --output")
    check_folder(target)
    with scratch_folder(target) as folder:
        written = folder / target.name
        kinds = _kinds(systems)
        if layout == "npy":
            # dpdata's own names list all elements, those that a system has not as well.
            for kind, part in kinds.items():
                for system in part.systems.values():
                    system.to(LAYOUTS[layout], str(written / kind / formula(system)))
        elif layout == "mixed":
            for kind, part in kinds.items():
                part.to(LAYOUTS[layout], str(written / kind))
        elif layout == "hdf5" and len(kinds) > 1:
            with h5py.File(written, "w") as file:
                for kind, part in kinds.items():
                    for system in part.systems.values():
                        group = file.create_group(f"{kind}/{system.short_name}")
                        system.to(LAYOUTS[layout], group)
        else:
            systems.to(LAYOUTS[layout], str(written))
        os.replace(written, target)
    return target


def _kinds(systems: dpdata.MultiSystems) -> dict[str, dpdata.MultiSystems]:
    """Systems by the folder they go to: periodic and open ones apart if there are both."""
    kinds: dict[str, dpdata.MultiSystems] = {}
    for system in systems.systems.values():
        kind = "open" if opened(system) else "periodic"
        kinds.setdefault(kind, dpdata.MultiSystems(type_map=systems.atom_names)).append(system)
    return {"": systems} if len(kinds) < 2 else kinds
