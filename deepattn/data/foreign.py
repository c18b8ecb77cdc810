"""Files of other codes as systems, held in memory.

The system of all frames of 64 water molecules in ``OUTCAR`` is called ``OUTCAR#O64H128``; a
LAMMPS dump is one system, and has its own name.
"""

import os
from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from deepattn.data.keys import Layout
from deepattn.errors import DataError
from deepattn.foreign import StoredFrames, detect_foreign, read_file

# Whoever opened a system holds its frames anyway; this spares reading a file twice.
_OPEN_FILES = 256
# As dpdata divides what it writes, so that the same frames make the same batches.
_FRAMES_IN_A_SET = 5000


def split_foreign(path: str) -> tuple[str, str] | None:
    """``OUTCAR#O64H128`` in its parts (no formula if none is given); None for other paths."""
    if os.path.exists(path):
        return None if detect_foreign(path) is None else (path, "")
    file, hash_sign, formula = path.rpartition("#")
    if hash_sign and detect_foreign(file) is not None:
        return file, formula
    return None


def foreign_systems(file: str, *, labeled: bool) -> Iterator[str]:
    """Names of the systems in a file, by formula."""
    for formula in sorted(_read(file, labeled)):
        yield f"{file}#{formula}" if formula else file


class ForeignStore:
    """The frames of one composition in a file of another code.

    Args:
        file: The file.
        formula: The composition; empty if the file has but one.
        labeled: Whether frames without an energy are left out, or labels are.

    Attributes:
        file: The file.
        numbered: Whether it names its types ``1``, ``2``, … for want of elements.
    """

    def __init__(self, file: str, formula: str, *, labeled: bool) -> None:
        systems = _read(file, labeled)
        if not formula and len(systems) == 1:
            [formula] = systems
        if formula not in systems:
            known = ", ".join(foreign_systems(file, labeled=labeled))
            raise DataError(
                f"{file} holds no system {formula or 'of one composition'}, but {known}"
            )
        self.file = file
        self._frames = systems[formula]
        self.numbered = self._frames.numbered
        nframes = len(self._frames.arrays["coord"])
        self._sets = {
            f"set.{place:03d}": slice(first, first + _FRAMES_IN_A_SET)
            for place, first in enumerate(range(0, nframes, _FRAMES_IN_A_SET))
        }

    def where(self, name: str) -> str:
        return f"{self.file}, {name.rpartition('/')[2]}"

    def frame(self, name: str, row: int) -> int:
        return self._sets[name.partition("/")[0]].start + row

    def has(self, name: str) -> bool:
        _, slash, key = name.partition("/")
        if slash:
            return key in self._frames.arrays
        return name in ("type.raw", "type_map.raw") or (
            name == "nopbc" and not self._frames.periodic
        )

    def tokens(self, name: str) -> list[str]:
        frames = self._frames
        return list(frames.names) if name == "type_map.raw" else [str(k) for k in frames.atype]

    def sets(self) -> list[str]:
        return list(self._sets)

    def shape(self, name: str) -> tuple[int, ...]:
        values = self._array(name)
        return (len(values), values[0].size)

    def rows(self, name: str, layout: Layout, indices: np.ndarray) -> np.ndarray:
        return self._array(name).reshape(layout.nframes, layout.width)[indices]

    def entries(self, name: str) -> Iterator[tuple[str, str]]:
        for key in self._frames.arrays if name else ():
            yield key, self.where(key)

    def _array(self, name: str) -> np.ndarray:
        part, _, key = name.partition("/")
        return self._frames.arrays[key][self._sets[part]]


def _read(file: str, labeled: bool) -> dict[str, StoredFrames]:
    status = os.stat(file)
    return _read_version(file, labeled, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=_OPEN_FILES)
def _read_version(file: str, labeled: bool, _mtime: int, _size: int) -> dict[str, StoredFrames]:
    return read_file(file, labeled=labeled)
