"""Where the arrays of a system are stored: ``.npy`` files, HDF5, LMDB, a file of another code.

A store answers by name (``"type.raw"``, ``"set.000/coord"``) and reads no more frames than it
is asked for. A file that cannot be read is a ``DataError`` that names it.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import h5py
import numpy as np

from deepattn import limits
from deepattn.data.foreign import ForeignStore, split_foreign
from deepattn.data.keys import Layout
from deepattn.data.lmdb import LmdbStore, split_lmdb
from deepattn.data.opening import opened
from deepattn.errors import DataError
from deepattn.formats.hdf5 import check_text

_HDF5_SUFFIXES = (".hdf5", ".h5")
# A data set may have thousands of arrays: their headers are kept, no file stays open.
_HEADERS = 1 << 16
_OPEN_HDF5 = 16


class Store(Protocol):
    """Interface of :class:`~deepattn.data.System` to the storage of a system.

    Attributes:
        numbered: Whether it names its types ``1``, ``2``, … for want of elements.
    """

    numbered: bool

    def where(self, name: str) -> str:
        """The name a user would look for, for messages."""

    def has(self, name: str) -> bool:
        """Whether the entry exists."""

    def frame(self, name: str, row: int) -> int:
        """The number a user knows a row of an array by, for messages."""

    def tokens(self, name: str) -> list[str]:
        """The words of ``type.raw`` or ``type_map.raw``."""

    def sets(self) -> list[str]:
        """Names of the sets, sorted."""

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of an array of numbers, without reading it."""

    def rows(self, name: str, layout: Layout, indices: np.ndarray) -> np.ndarray:
        """Frames ``indices`` of an array that fits the layout, ``[n, layout.width]``."""

    def entries(self, name: str) -> Iterator[tuple[str, str]]:
        """Names and locations of everything in a set, or with an empty name next to the sets."""


def split_hdf5(path: str) -> tuple[str, str] | None:
    """``file#/group`` in its parts (the group is ``/`` if not given); None for other paths."""
    if not os.path.exists(path) and "#" in path:
        file, _, group = path.rpartition("#")
        return file, "/" + group.strip("/")
    if path.endswith(_HDF5_SUFFIXES) and os.path.isfile(path):
        return path, "/"
    return None


def open_store(path: str, *, labeled: bool) -> Store:
    """The store of the system at ``path``; for ``labeled`` see `ForeignStore`."""
    group = split_lmdb(path)
    if group is not None:
        return LmdbStore(*group)
    foreign = split_foreign(path)
    if foreign is not None:
        return ForeignStore(*foreign, labeled=labeled)
    parts = split_hdf5(path)
    if parts is not None:
        return Hdf5Store(*parts)
    if not os.path.isdir(path):
        raise DataError(f"system {path} is not a directory, HDF5 group or file of a known format")
    return NpyStore(path)


def open_hdf5(file: str) -> h5py.File:
    """A read-only handle, shared by all systems in the file."""
    return _open_hdf5(*_version(file))


@contextmanager
def reading_hdf5(where: str) -> Iterator[None]:
    """Turn what h5py raises on a damaged file, which may be anything, into a ``DataError``."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"{where} cannot be read from HDF5: {error}") from None


def get_group(file: str, name: str) -> h5py.Group:
    """A group of an HDF5 file."""
    with reading_hdf5(file):
        group = open_hdf5(file).get(name)
    if not isinstance(group, h5py.Group):
        raise DataError(f"{file} has no group {name}")
    return group


def _version(path: str) -> tuple[str, int, int]:
    """A cache key that changes when the file does."""
    try:
        status = os.stat(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    return path, status.st_mtime_ns, status.st_size


@lru_cache(maxsize=_OPEN_HDF5)
def _open_hdf5(file: str, _mtime: int, _size: int) -> h5py.File:
    with reading_hdf5(file):
        return opened(file, lambda: h5py.File(file, "r"))


class _Header(NamedTuple):
    """Header of an ``.npy`` file, and the offset of its data."""

    shape: tuple[int, ...]
    dtype: np.dtype
    order: Literal["C", "F"]
    offset: int


@lru_cache(maxsize=_HEADERS)
def _npy_header(file: str, _mtime: int, _size: int) -> _Header:
    try:
        array = opened(file, lambda: np.lib.format.open_memmap(file, mode="r"))
    except DataError:
        raise
    # A damaged header can make NumPy's parser raise nearly anything.
    except Exception as error:
        raise DataError(
            f"{file} is not a complete NumPy array ({type(error).__name__}: {error}); write "
            "it again"
        ) from None
    _require_numbers(array.dtype, file)
    order: Literal["C", "F"] = "C" if array.flags.c_contiguous else "F"
    return _Header(array.shape, array.dtype, order, array.offset)


def require_layout(shape: tuple[int, ...], layout: Layout, where: str) -> None:
    """Refuse an array of ambiguous shape."""
    if not layout.fits(shape):
        raise DataError(f"{where} has shape {shape}, expected {layout}")


def _require_numbers(dtype: np.dtype, where: str) -> None:
    if dtype.kind not in "fiub":
        raise DataError(f"{where} contains {dtype}, not real numbers")


def _words(text: bytes, where: str) -> list[str]:
    try:
        return text.decode("utf-8-sig").split()
    except UnicodeDecodeError:
        raise DataError(f"{where} is not UTF-8 text") from None


def _runs(numbers: list[int]) -> Iterator[tuple[int, int]]:
    """Beginnings and ends of the runs of numbers that follow one another."""
    first = 0
    for place in range(1, len(numbers) + 1):
        if place == len(numbers) or numbers[place] != numbers[place - 1] + 1:
            yield first, place
            first = place


class NpyStore:
    """A directory with ``type.raw`` and ``set.*/*.npy``.

    Args:
        path: The directory.
    """

    numbered = False

    def __init__(self, path: str) -> None:
        self.path = path

    def where(self, name: str) -> str:
        suffix = ".npy" if name.startswith("set.") else ""
        return os.path.join(self.path, name + suffix)

    def frame(self, name: str, row: int) -> int:
        return row

    def has(self, name: str) -> bool:
        return os.path.exists(self.where(name))

    def tokens(self, name: str) -> list[str]:
        where = self.where(name)
        try:
            return _words(Path(where).read_bytes(), where)
        except OSError as error:
            raise DataError(f"{where} cannot be read: {error.strerror}") from None

    def sets(self) -> list[str]:
        return sorted(entry.name for entry in Path(self.path).glob("set.*") if entry.is_dir())

    def shape(self, name: str) -> tuple[int, ...]:
        return _npy_header(*_version(self.where(name))).shape

    def rows(self, name: str, layout: Layout, indices: np.ndarray) -> np.ndarray:
        where = self.where(name)
        shape, dtype, order, offset = _npy_header(*_version(where))
        # The file may be another one than when the system was opened.
        require_layout(shape, layout, where)
        if order == "F":
            array = opened(where, lambda: np.memmap(where, dtype, "r", offset, shape, order))
            return np.array(array.reshape(layout.nframes, layout.width)[indices])
        out = np.empty((len(indices), layout.width), dtype)
        step = out.strides[0]
        with opened(where, lambda: open(where, "rb", buffering=0)) as file:
            for first, last in _runs(indices.tolist()):
                file.seek(offset + int(indices[first]) * step)
                # One call reads no more than 2 GiB.
                left = out[first:last].reshape(-1).view(np.uint8).data
                while left:
                    count = file.readinto(left)
                    if not count:
                        raise DataError(f"{where} became shorter while it was read")
                    left = left[count:]
        return out

    def entries(self, name: str) -> Iterator[tuple[str, str]]:
        for entry in sorted(Path(self.path, name).iterdir()):
            if entry.is_file():
                yield entry.name, str(entry)


class Hdf5Store:
    """A group of an HDF5 file with the same names as the files of a directory.

    Args:
        file: The HDF5 file.
        group: Absolute name of the group.
    """

    numbered = False

    def __init__(self, file: str, group: str) -> None:
        self.file = file
        self.group = group

    def where(self, name: str) -> str:
        suffix = ".npy" if name.startswith("set.") else ""
        return f"{self.file}#{self.group.rstrip('/')}/{name}{suffix}"

    def frame(self, name: str, row: int) -> int:
        return row

    def has(self, name: str) -> bool:
        return self._find(name) is not None

    def tokens(self, name: str) -> list[str]:
        where = self.where(name)
        dataset = self._dataset(name)
        with reading_hdf5(where):
            dtype, is_text = dataset.dtype, h5py.check_string_dtype(dataset.dtype) is not None
        if dtype.kind not in "fiub" and not is_text:
            raise DataError(f"{where} contains {dtype}, not numbers or names")
        self._check_size(dataset, where)
        with reading_hdf5(where):
            check_text(dataset)
            values = np.asarray(dataset[()])
        if np.squeeze(values).ndim > 1:
            raise DataError(f"{where} has shape {values.shape}, expected a one-dimensional array")
        values = values.ravel()
        words = []
        for value in values.tolist():
            text = value if isinstance(value, bytes) else str(value).encode()
            words += _words(text, where)
        return words

    def sets(self) -> list[str]:
        group = get_group(self.file, self.group)
        with reading_hdf5(self.where("")):
            return sorted(
                name
                for name in group
                if name.startswith("set.") and isinstance(group.get(name), h5py.Group)
            )

    def shape(self, name: str) -> tuple[int, ...]:
        dataset = self._dataset(name)
        where = self.where(name)
        with reading_hdf5(where):
            dtype, shape = dataset.dtype, dataset.shape
        _require_numbers(dtype, where)
        if shape is None:
            raise DataError(f"{where} is empty")
        self._check_size(dataset, where)
        return shape

    def rows(self, name: str, layout: Layout, indices: np.ndarray) -> np.ndarray:
        require_layout(self.shape(name), layout, self.where(name))
        dataset = self._dataset(name)
        with reading_hdf5(self.where(name)):
            if dataset.shape[:1] != (layout.nframes,):
                return dataset[()].reshape(layout.nframes, layout.width)[indices]
            # HDF5 selects rows in increasing order only.
            wanted, back = np.unique(indices, return_inverse=True)
            return dataset[wanted].reshape(len(wanted), layout.width)[back]

    def entries(self, name: str) -> Iterator[tuple[str, str]]:
        path = f"{self.group.rstrip('/')}/{name}"
        group = get_group(self.file, path)
        with reading_hdf5(self.where("")):
            names = sorted(key for key in group if isinstance(group.get(key), h5py.Dataset))
        for key in names:
            yield key, f"{self.file}#{path.rstrip('/')}/{key}"

    def _check_size(self, dataset: h5py.Dataset, where: str) -> None:
        # A virtual dataset and an external one are as large as other files are.
        if dataset.is_virtual or dataset.external:
            return
        try:
            limits.check_unpacked(dataset.nbytes, os.path.getsize(self.file))
        except ValueError as error:
            raise DataError(f"{where} {error}") from None

    def _find(self, name: str) -> h5py.Dataset | None:
        where = self.where(name)
        with reading_hdf5(where):
            item = open_hdf5(self.file).get(where.partition("#")[2])
        return item if isinstance(item, h5py.Dataset) else None

    def _dataset(self, name: str) -> h5py.Dataset:
        dataset = self._find(name)
        if dataset is None:
            raise DataError(f"{self.where(name)} is missing")
        return dataset
