"""Checks of HDF5 files that the HDF5 library itself omits."""

from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import h5py

# How every HDF5 file begins.
SIGNATURE = b"\x89HDF\r\n\x1a\n"

# How a collection of the global heap begins, in version 1, the only one there is.
_HEAP = b"GCOL\x01\0\0\0"
_HEAD = 16
# An element of variable length: its length, and the address and index of what it holds.
_LENGTH, _ELEMENT = 4, 16
_LARGEST_PLACE = (1 << 63) - 1


def check_heaps(content: bytes | mmap.mmap) -> None:
    """Refuse damaged heaps of strings, over which the HDF5 library would loop for ever.

    Args:
        content: The whole file.

    Raises:
        ValueError: A heap is damaged.
    """
    start = content.find(_HEAP)
    # Heaps do not overlap, but for what is left of old ones.
    left = 2 * len(content) // _HEAD
    while start >= 0:
        end = start + _unsigned(content, start + 8)
        if end > len(content):
            raise ValueError("a string heap is damaged")
        left -= _check_heap(content, start, end)
        if left < 0:
            raise ValueError("its string heaps overlap")
        start = content.find(_HEAP, start + 1)


def check_text(dataset: h5py.Dataset) -> None:
    """Refuse a dataset whose text is in a damaged heap.

    Only the heaps that it points to are read, since a file of data may be large.

    Raises:
        ValueError: A heap is damaged, or the text is not in the same file.
    """
    import h5py

    text = h5py.check_string_dtype(dataset.dtype)
    if text is None or text.length is not None or not dataset.size:
        return
    if dataset.is_virtual:
        raise ValueError("its text is stored in another file")
    place = dataset.id.get_offset()
    with open(dataset.file.filename, "rb") as file:
        if place is None:  # in pieces
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                check_heaps(content)
            return
        file.seek(place)
        elements = file.read(dataset.size * _ELEMENT)
        addresses = {_unsigned(elements, k) for k in range(_LENGTH, len(elements), _ELEMENT)}
        for address in sorted(addresses - {0}):  # 0 holds empty text
            # Addresses count from the end of the user block.
            file.seek(min(address + dataset.file.userblock_size, _LARGEST_PLACE))
            head = file.read(_HEAD)
            size = _unsigned(head, 8)
            heap = head + file.read(min(max(size - _HEAD, 0), os.fstat(file.fileno()).st_size))
            if not head.startswith(_HEAP) or len(heap) != size:
                raise ValueError("a heap of strings in it is damaged")
            _check_heap(heap, 0, size)


def _check_heap(content: bytes | mmap.mmap, start: int, end: int) -> int:
    """Check that the objects of a collection fill it step by step; gives their number."""
    place, count = start + _HEAD, 0
    while place + _HEAD <= end:
        count += 1
        is_free = not any(content[place : place + 2])
        size = _unsigned(content, place + 8)
        step = size if is_free else _HEAD + -(-size // 8) * 8
        place += step
        if step < _HEAD or place > end:
            raise ValueError("a heap of strings in it is damaged")
    return count


def _unsigned(content: bytes | mmap.mmap, place: int) -> int:
    return int.from_bytes(content[place : place + 8], "little")
