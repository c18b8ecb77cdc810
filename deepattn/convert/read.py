"""Reading labeled frames of other codes, or of another of DeePMD's layouts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import dpdata
from dpdata.format import Format

from deepattn.convert.detect import find_sources
from deepattn.data import System, find_systems
from deepattn.data.keys import KEYS
from deepattn.data.lmdb import close_lmdb
from deepattn.errors import DataError
from deepattn.foreign.labeled import NAMED, gather
from deepattn.foreign.named import LabelKeys

_OURS = ("deepmd/npy", "deepmd/npy/mixed", "deepmd/hdf5", "lmdb")
_CARRIED = ("coord", "box", "real_atom_types", "energy", "force", "virial")


def read_frames(
    paths: Sequence[str | os.PathLike],
    *,
    form: str | None = None,
    type_map: Sequence[str] | None = None,
    keys: LabelKeys | None = None,
) -> dpdata.MultiSystems:
    """Read labeled frames.

    Args:
        paths: Files, systems, or folders to search.
        form: Dpdata's name of their format; by default inferred from the file names.
        type_map: Names of the types, in the order that they are to have.
        keys: Names of the labels in extended XYZ and ``.traj``.

    Returns:
        The frames, by composition, periodic and open ones apart. Steps whose electrons did not
        converge are left out.

    Raises:
        DataError: A file cannot be read, has no labeled frame, or has an element that
            ``type_map`` leaves out; a system of ours has more than dpdata takes over.
    """
    if form is not None and form not in Format.get_formats():
        known = ", ".join(sorted(Format.get_formats()))
        raise DataError(f"format {form} is not one of dpdata's: {known}")
    sources = [source for path in paths for source in _sources(path, form)]
    if keys is not None and keys != LabelKeys() and not any(kind in NAMED for _, kind in sources):
        raise DataError(
            "names of labels apply only to extended XYZ and .traj, but there is no such file"
        )
    return gather(sources, type_map, keys)


def _sources(path: str | os.PathLike, form: str | None) -> Iterator[tuple[str, str]]:
    """Sources to read, with their formats; in an HDF5 file every system, at any depth."""
    for source, kind in find_sources(path, form):
        if kind in _OURS:
            _refuse_loss(source)
        if kind == "lmdb":
            close_lmdb(source)
        if kind == "deepmd/hdf5":
            yield from ((system, kind) for system in find_systems(source))
        else:
            yield source, kind


def _refuse_loss(path: str) -> None:
    """Refuse systems with arrays that dpdata would leave behind."""
    for system in map(System, find_systems(path)):
        left = [name for name in KEYS if name not in _CARRIED and system.has(name).any()]
        if left:
            raise DataError(
                f"{system.path}: has {', '.join(left)}, which would be lost; do not convert it"
            )
