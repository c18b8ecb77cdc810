"""Reading labelled frames of other codes."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Sequence

import ase.io
import dpdata
from dpdata.format import Format

from deepattn.convert.detect import find_sources
from deepattn.data import System, find_systems
from deepattn.data.keys import KEYS
from deepattn.errors import DataError
from deepattn.progress import tracked

log = logging.getLogger(__name__)

# Formats whose files hold frames of several compositions.
_MANY = ("extxyz", "deepmd/npy/mixed", "deepmd/hdf5", "lmdb")
_OURS = ("deepmd/npy", "deepmd/npy/mixed", "deepmd/hdf5", "lmdb")
_CARRIED = ("coord", "box", "real_atom_types", "energy", "force", "virial")


def read_frames(
    paths: Sequence[str | os.PathLike],
    *,
    form: str | None = None,
    type_map: Sequence[str] | None = None,
) -> dpdata.MultiSystems:
    """Read labelled frames.

    Args:
        paths: files, systems, or folders to search.
        form: dpdata's name of their format; by default the names of the files tell.
        type_map: names of the types, in the order that they are to have.

    Returns:
        The frames, by composition. Steps whose electrons did not converge are left out.

    Raises:
        DataError: a file cannot be read, has no labelled frame, or has an element that
            ``type_map`` leaves out; some frames are periodic and some are not.
    """
    if form is not None and form not in Format.get_formats():
        known = ", ".join(sorted(Format.get_formats()))
        raise DataError(f"format {form} is none of dpdata's: {known}")
    sources = [source for path in paths for source in find_sources(path, form)]
    systems = dpdata.MultiSystems(type_map=None if type_map is None else list(type_map))
    kinds: dict[bool, str] = {}
    for path, kind in tracked(sources, "reading"):
        for system in _read(path, kind):
            _refuse_unknown(path, system, type_map)
            is_open = bool(system.data.get("nopbc", False))
            kinds.setdefault(is_open, path)
            if len(kinds) > 1:
                raise DataError(
                    f"{kinds[False]} is periodic and {kinds[True]} is not; convert them apart"
                )
            systems.append(system)
    return systems


def _read(path: str, form: str) -> list[dpdata.LabeledSystem]:
    """The frames of one file, by composition."""
    if form in _OURS:
        _refuse_loss(path)
    with warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("always")
        try:
            if form in _MANY:
                found = list(dpdata.MultiSystems.from_file(path, fmt=form).systems.values())
            elif form == "ase/traj":
                # As a whole, dpdata takes the elements of all frames from the first.
                frames = ase.io.iread(path, format="traj")
                found = [dpdata.LabeledSystem(atoms, fmt="ase/structure") for atoms in frames]
            else:
                found = [dpdata.LabeledSystem(path, fmt=form)]
        except OSError:
            raise
        # Readers of forty formats raise whatever they like.
        except Exception as error:
            raise DataError(
                f"{path}: cannot be read as {form} ({type(error).__name__}: {error})"
            ) from None
    for warning in noted:
        log.warning("%s: %s", path, " ".join(str(warning.message).split()))
    labelled = [system for system in found if "energies" in system.data and len(system)]
    if not labelled:
        raise DataError(f"{path}: has no frame with an energy, read as {form}")
    return labelled


def _refuse_loss(path: str) -> None:
    """Refuse systems with arrays that dpdata would leave behind."""
    for system in map(System, find_systems(path)):
        left = [name for name in KEYS if name not in _CARRIED and system.has(name).any()]
        if left:
            raise DataError(
                f"{system.path}: has {', '.join(left)}, which would be lost; leave it as it is"
            )


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
