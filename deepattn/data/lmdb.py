"""LMDB: frames of any size in one file, read as one mixed-type system for each size.

The system of all periodic frames of 192 atoms in ``data.lmdb`` is called ``data.lmdb#192``, that
of the frames with open boundaries ``data.lmdb#192,open``.
"""

import os
import re
from array import array
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from deepattn import limits
from deepattn.data.keys import Layout
from deepattn.data.lmdb_pages import check_pages
from deepattn.data.opening import opened
from deepattn.errors import DataError
from deepattn.progress import tracked

_NAMES = {
    "coords": "coord",
    "cells": "box",
    "energies": "energy",
    "forces": "force",
    "virials": "virial",
    "atom_types": "real_atom_types",
}
# Redundant entries of a frame, and those about its origin.
_IGNORED = ("atom_numbs", "atom_names", "orig")
_OPEN = ",open"
# A width of many digits would make keys of as many characters.
_KEY_FORMAT = re.compile("0?[0-9]{0,2}d?")

# LMDB forbids a process to open an environment twice, or to use one opened before a fork, so each
# is kept by process, with the time of its file.
_environments: dict[tuple[int, str], tuple[int, Any]] = {}
# Frames read at a time when a file is opened.
_FRAMES_AT_ONCE = 4096

Frame = dict[str, Any]


class _Index(NamedTuple):
    """Frames of a file: ``groups[(natoms, periodic)][fields]`` are their numbers."""

    type_map: list[str]
    key_format: str
    groups: dict[tuple[int, bool], dict[tuple[str, ...], np.ndarray]]


def is_lmdb(path: str) -> bool:
    """Whether the path is an LMDB environment."""
    return os.path.isdir(path) and (
        path.rstrip("/").endswith(".lmdb") or os.path.isfile(os.path.join(path, "data.mdb"))
    )


def split_lmdb(path: str) -> tuple[str, int, bool] | None:
    """``data.lmdb#192,open`` in its parts: file, atoms, whether periodic; None for other paths."""
    file, hash_sign, group = path.rpartition("#")
    natoms = limits.whole_number(group.removesuffix(_OPEN))
    if not hash_sign or natoms is None or not is_lmdb(file):
        return None
    return file, natoms, not group.endswith(_OPEN)


def lmdb_systems(path: str) -> Iterator[str]:
    """Names of the systems in an environment, by number of atoms."""
    for natoms, periodic in sorted(_index(path).groups):
        yield f"{path}#{natoms}{'' if periodic else _OPEN}"


class LmdbStore:
    """The frames of one size in an environment; frames with the same fields make a set.

    Args:
        file: The environment.
        natoms: Number of atoms.
        periodic: Whether the periodic frames are meant, or those with open boundaries.
    """

    numbered = False

    def __init__(self, file: str, natoms: int, periodic: bool) -> None:
        index = _index(file)
        if (natoms, periodic) not in index.groups:
            kind = "periodic" if periodic else "open"
            raise DataError(f"{file} has no {kind} frame of {natoms} atoms")
        self.file = file
        self.natoms = natoms
        self._index = index
        self._periodic = periodic
        groups = sorted(index.groups[natoms, periodic].items())
        self._sets = {f"set.{place:03d}": group for place, group in enumerate(groups)}
        self._recent: dict[int, Frame] = {}

    def where(self, name: str) -> str:
        return f"{self.file}, {name.rpartition('/')[2]}"

    def frame(self, name: str, row: int) -> int:
        return int(self._sets[name.partition("/")[0]][1][row])

    def has(self, name: str) -> bool:
        part, slash, field = name.partition("/")
        if slash:
            return field in self._sets[part][0]
        if name == "type_map.raw":
            return bool(self._index.type_map)
        return name == "type.raw" or (name == "nopbc" and not self._periodic)

    def tokens(self, name: str) -> list[str]:
        return self._index.type_map if name == "type_map.raw" else ["0"] * self.natoms

    def sets(self) -> list[str]:
        return list(self._sets)

    def shape(self, name: str) -> tuple[int, ...]:
        part, _, field = name.partition("/")
        frames = self._sets[part][1]
        [first] = self._frames(frames[:1])
        return (len(frames), *self._field(first, field, frames[0]).shape)

    def rows(self, name: str, layout: Layout, indices: np.ndarray) -> np.ndarray:
        part, _, field = name.partition("/")
        numbers = self._sets[part][1][indices]
        arrays = []
        for number, frame in zip(numbers, self._frames(numbers), strict=True):
            values = self._field(frame, field, number)
            if not layout.fits_frame(values.shape):
                expected = " or ".join(map(str, layout.frame))
                raise DataError(
                    f"{self.where(name)}: frame {number} has shape {values.shape}, expected "
                    f"{expected}"
                )
            arrays.append(values.reshape(layout.width))
        return np.stack(arrays)

    def entries(self, name: str) -> Iterator[tuple[str, str]]:
        for field in self._sets[name][0] if name else ():
            yield field, self.where(field)

    def _frames(self, numbers: np.ndarray) -> list[Frame]:
        """Frames, kept until others are asked for: one array after the other is."""
        wanted = numbers.tolist()
        recent = self._recent
        if not recent.keys() >= set(wanted):
            found = _read_frames(self.file, self._index.key_format, wanted)
            self._recent = recent = dict(zip(wanted, found, strict=True))
        return [recent[number] for number in wanted]

    def _field(self, frame: Frame, field: str, number: int) -> np.ndarray:
        return _decode(frame[field], f"{self.file}, {field} of frame {number}")


@contextmanager
def _reading(file: str) -> Iterator[None]:
    """Turn what lmdb and msgpack raise on a damaged file, which may be anything, into ours."""
    try:
        yield
    except DataError:
        raise
    except ImportError as error:
        raise DataError(
            f"{file} needs the package {error.name}: pip install lmdb msgpack"
        ) from None
    except Exception as error:
        raise DataError(f"{file} is not a readable LMDB of frames: {error}") from None


def _environment(file: str) -> Any:
    import lmdb

    path = os.path.realpath(file)
    place = os.getpid(), path
    data = os.path.join(path, "data.mdb")
    changed = os.stat(data).st_mtime_ns
    known = _environments.get(place)
    if known is None or known[0] != changed:
        if known is not None:
            known[1].close()
        _environments.pop(place, None)

        def open_checked() -> Any:
            check_pages(data)
            return lmdb.open(path, readonly=True, lock=False, readahead=False)

        _environments[place] = changed, opened(file, open_checked)
    return _environments[place][1]


def close_lmdb(file: str) -> None:
    """Close an environment, so that another library may open it."""
    known = _environments.pop((os.getpid(), os.path.realpath(file)), None)
    if known is not None:
        known[1].close()


def _read(file: str, keys: Iterable[str]) -> list[Frame]:
    import msgpack

    entries = []
    with _environment(file).begin(buffers=True) as transaction:
        for key in keys:
            packed = transaction.get(key.encode())
            if packed is None:
                raise DataError(f"{file} has no entry {key}")
            # Names may be text or bytes: read all as bytes, and decode the names.
            entry = msgpack.unpackb(packed, raw=True, strict_map_key=False)
            entries.append({_name(name): value for name, value in entry.items()})
    return entries


def _read_frames(file: str, key_format: str, numbers: Iterable[int]) -> list[Frame]:
    with _reading(file):
        return _read(file, (format(number, key_format) for number in numbers))


@lru_cache(maxsize=1024)
def _name(key: bytes) -> str:
    name = key.decode()
    return _NAMES.get(name, name)


_dtype = lru_cache(maxsize=64)(np.dtype)


def _index(file: str) -> _Index:
    with _reading(file):
        changed = os.stat(os.path.join(file, "data.mdb")).st_mtime_ns
        return _build_index(file, changed)


@lru_cache(maxsize=64)
def _build_index(file: str, _changed: int) -> _Index:
    [metadata] = _read(file, ["__metadata__"])
    key_format = metadata.get("frame_idx_fmt", b"012d").decode()
    if not _KEY_FORMAT.fullmatch(key_format):
        raise DataError(f"{file} has frame keys of an unknown format: {key_format[:40]!r}")
    groups: dict[tuple[int, bool], dict[tuple[str, ...], array]] = {}
    nframes = int(metadata["nframes"])
    for first in tracked(range(0, nframes, _FRAMES_AT_ONCE), f"opening {file}"):
        numbers = range(first, min(first + _FRAMES_AT_ONCE, nframes))
        frames = _read_frames(file, key_format, numbers)
        for number, frame in zip(numbers, frames, strict=True):
            group, fields = _kind(frame, number, file)
            groups.setdefault(group, {}).setdefault(fields, array("q")).append(number)
    type_map = [name.decode() for name in metadata.get("type_map") or ()]
    arrays = {
        size: {fields: np.array(numbers) for fields, numbers in parts.items()}
        for size, parts in groups.items()
    }
    return _Index(type_map, key_format, arrays)


def _kind(frame: Frame, number: int, file: str) -> tuple[tuple[int, bool], tuple[str, ...]]:
    """Number of atoms and whether periodic; the fields of a frame."""
    for name in ("coord", "real_atom_types"):
        if name not in frame:
            raise DataError(f"{file}: frame {number} has no {name}")
    natoms = _decode(frame["real_atom_types"], f"{file}, types of frame {number}").size
    where = f"{file}, cells of frame {number}"
    periodic = "box" in frame and bool(_decode(frame["box"], where).any())
    return (natoms, periodic), tuple(sorted(name for name in frame if _is_present(frame, name)))


def _is_present(frame: Mapping[str, Any], name: str) -> bool:
    if name in _IGNORED or name.startswith("find_"):
        return False
    found = frame.get(f"find_{name}")
    return found is None or bool(_decode(found, name).any())


def _decode(value: object, where: str) -> np.ndarray:
    """An array out of ``{type, shape, data}``, or a bare number."""
    try:
        if isinstance(value, dict):
            array = np.frombuffer(value[b"data"], _dtype(value[b"type"].decode()))
            array = array.reshape(value.get(b"shape", -1))
        else:
            array = np.asarray(value)
        if array.dtype.kind not in "fiub":
            raise ValueError(f"{array.dtype} are not real numbers")
    except Exception as error:
        raise DataError(f"{where} is not an array: {error}") from None
    return array
