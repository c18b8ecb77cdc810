"""Finding systems: in directories at any depth and in a fixed order, in HDF5, LMDB and files."""

import logging
import os
import re
from collections.abc import Iterator, Sequence
from glob import glob, has_magic
from itertools import islice
from pathlib import Path

import h5py

from deepattn.data.foreign import foreign_systems, split_foreign
from deepattn.data.lmdb import is_lmdb, lmdb_systems, split_lmdb
from deepattn.data.store import get_group, reading_hdf5, split_hdf5
from deepattn.errors import DataError

log = logging.getLogger(__name__)

_COMMENT = re.compile(r"(^|\s+)#.*")
# Below a link, for a warning; there may be a whole disk.
_FOLDERS = 1000


def find_systems(
    systems: str | Sequence[str],
    *,
    rglob_patterns: Sequence[str] | None = None,
    base: str | os.PathLike | None = None,
    labeled: bool = True,
) -> list[str]:
    """Paths of all systems below the given ones.

    A directory with ``type.raw`` is a system; so is an HDF5 group, written ``file#/group``. A file
    of another code is read if it is named; below a directory it is passed by.
    Every entry is searched at any depth and its systems are sorted, so options that go by
    position (``sys_probs``, a list of batch sizes) mean the same on every machine. An entry
    listed twice counts twice.

    Args:
        systems: One path, or several.
        rglob_patterns: Patterns below each directory to take instead of everything.
        base: Directory that relative paths start from; the current one by default.
        labeled: See `System`.

    Raises:
        DataError: If a path does not exist or is a file of unknown format, or no system is found
            at all.
    """
    if isinstance(systems, (str, os.PathLike)):
        systems = [systems]
    found = []
    for entry in systems:
        path = os.fspath(entry) if base is None else os.path.join(base, entry)
        below = list(_search(path, rglob_patterns, labeled))
        if not below:
            log.warning("no system (a directory or group with type.raw) below %s", path)
        found += below
    if not found:
        listed = ", ".join(map(str, systems)) or "an empty list"
        raise DataError(
            f"no system found in {listed}: a system is a directory (or HDF5 group) with type.raw"
        )
    return found


def read_list(path: str | os.PathLike, *, labeled: bool = True) -> list[str]:
    """Paths of the systems that a file lists: one entry per line, see `find_systems`.

    Empty lines and what follows a ``#`` at the beginning of a line or after a space are passed by.

    Args:
        path: The list.
        labeled: See `System`.

    Raises:
        DataError: If it lists none, or an entry does not exist.
        OSError: If it cannot be read.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise DataError(f"{os.fspath(path)} is not a UTF-8 list of systems") from None
    entries = []
    for line in map(str.strip, lines):
        # A name may have all that; what is there is meant.
        entry = line if os.path.exists(line) else _COMMENT.sub("", line)
        if entry:
            entries.append(entry)
    if not entries:
        raise DataError(f"{os.fspath(path)}: lists no system")
    try:
        return find_systems(entries, labeled=labeled)
    except DataError as error:
        raise DataError(f"{os.fspath(path)}: {error}") from None


def _search(path: str, patterns: Sequence[str] | None, labeled: bool) -> Iterator[str]:
    parts, foreign = split_hdf5(path), split_foreign(path)
    if split_lmdb(path) is not None:
        yield path
    elif foreign is not None:
        yield from [path] if foreign[1] else foreign_systems(path, labeled=labeled)
    elif parts is not None:
        yield from _search_hdf5(*parts)
    elif not os.path.exists(path):
        raise DataError(f"system {path} does not exist{_pattern_hint(path)}")
    elif os.path.isfile(path):
        raise DataError(
            f"{path}: the format cannot be inferred from the file name; convert it first "
            "(deepattn convert --format)"
        )
    elif is_lmdb(path):
        yield from lmdb_systems(path)
    elif patterns is None:
        yield from sorted(_search_directory(path))
    else:
        matches = {match for pattern in patterns for match in _rglob(path, pattern)}
        yield from sorted(str(match) for match in matches if (match / "type.raw").is_file())


def _rglob(path: str, pattern: str) -> Iterator[Path]:
    try:
        yield from Path(path).rglob(pattern)
    except (ValueError, NotImplementedError) as error:
        raise DataError(f"rglob_patterns: {pattern!r} is not a pattern: {error}") from None


def _pattern_hint(path: str) -> str:
    if not glob(path):
        return ""
    parts = path.split("/")
    first = next(place for place, part in enumerate(parts) if has_magic(part))
    folder = "/".join(parts[:first]) or ("/" if path.startswith("/") else ".")
    pattern = "/".join(parts[first:])
    return (
        f"; patterns are not expanded here; give the folder {folder} and "
        f'"rglob_patterns": ["{pattern}"]'
    )


def _search_directory(path: str) -> Iterator[str]:
    for folder, subfolders, files in os.walk(path):
        if "type.raw" in files:
            yield folder
        for name in subfolders:
            # A linked system is taken; a link to a folder of systems is not entered, so that a
            # link to a parent cannot make the search endless.
            linked = os.path.join(folder, name)
            if not os.path.islink(linked):
                continue
            if os.path.isfile(os.path.join(linked, "type.raw")):
                yield linked
            elif _leads_to_systems(linked, path):
                log.warning(
                    "%s is a link to a folder of systems, which is not searched; add it "
                    "to systems to use them",
                    linked,
                )


def _leads_to_systems(link: str, root: str) -> bool:
    """Whether there are systems below a link that are not below ``root`` anyway."""
    target, root = os.path.realpath(link), os.path.realpath(root)
    if os.path.commonpath([target, root]) in (target, root):
        return False
    return any("type.raw" in files for _, _, files in islice(os.walk(target), _FOLDERS))


def _search_hdf5(file: str, group: str) -> Iterator[str]:
    names = []

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and name.rpartition("/")[2] == "type.raw":
            names.append(name.rpartition("/")[0])

    with reading_hdf5(file):
        get_group(file, group).visititems(visit)
    for name in sorted(names):
        yield f"{file}#{group.rstrip('/')}/{name}"
