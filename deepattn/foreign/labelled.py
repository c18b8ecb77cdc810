"""Labelled frames of first-principles codes."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence

import ase.io
import dpdata

from deepattn.errors import DataError
from deepattn.progress import tracked

log = logging.getLogger(__name__)

# Formats whose files hold frames of several compositions.
_MANY = ("extxyz", "deepmd/npy/mixed", "deepmd/hdf5", "lmdb")


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
            ``type_map`` leaves out; some frames are periodic and some are not.
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
            systems.append(system)
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
