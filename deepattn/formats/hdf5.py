"""What the HDF5 library does not check before it follows a file's own numbers."""

from __future__ import annotations

import mmap
import os

import h5py

# How a collection of the global heap begins, in version 1, the only one there is.
_HEAP = b"GCOL\x01\0\0\0"
_HEAD = 16
# An element of variable length: its length, and the address and index of what it holds.
_LENGTH, _ELEMENT = 4, 16
_LARGEST_PLACE = (1 << 63) - 1


def check_heaps(content: bytes | mmap.mmap) -> None:
    """Refuse damaged heaps of strings, over which the HDF5 library would loop for ever.

    Args:
        content: the whole file.

    Raises:
        ValueError: a heap is damaged.
    """
    start = content.find(_HEAP)
    while start >= 0:
        end = start + _unsigned(content, start + 8)
        if end > len(content):
            raise ValueError("a heap of strings in it is damaged")
        _check_heap(content[start:end])
        start = content.find(_HEAP, start + 1)


def check_text(dataset: h5py.Dataset) -> None:
    """Refuse a dataset whose text is in a damaged heap.

    Only the heaps that it points to are read, since a file of data may be large.

    Raises:
        ValueError: a heap is damaged, or the text is not in the same file.
    """
    text = h5py.check_string_dtype(dataset.dtype)
    if text is None or text.length is not None or not dataset.size:
        return
    if dataset.is_virtual:
        raise ValueError("its text is in another file")
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
            _check_heap(heap)


def _check_heap(heap: bytes) -> None:
    """The objects of one collection, which must fill it step by step."""
    place = _HEAD
    while place + _HEAD <= len(heap):
        is_free = not any(heap[place : place + 2])
        size = _unsigned(heap, place + 8)
        step = size if is_free else _HEAD + -(-size // 8) * 8
        place += step
        if step < _HEAD or place > len(heap):
            raise ValueError("a heap of strings in it is damaged")


def _unsigned(content: bytes | mmap.mmap, place: int) -> int:
    return int.from_bytes(content[place : place + 8], "little")
