"""Damaged heaps of strings, before the HDF5 library follows them."""

import time

import pytest

from deepattn.formats.hdf5 import check_heaps

_HEAD = b"GCOL\x01\0\0\0"


def _heap(size, *objects):
    """A collection of objects: number, and content of a multiple of eight bytes."""
    content = b"".join(
        number.to_bytes(2, "little") + bytes(6) + len(data).to_bytes(8, "little") + data
        for number, data in objects
    )
    free = size - 16 - len(content)
    content += bytes(8) + free.to_bytes(8, "little") if free >= 16 else b""
    return (_HEAD + size.to_bytes(8, "little") + content).ljust(size, b"\0")


def test_sound_heaps():
    heap = _heap(4096, (1, b"abcdefgh"), (2, b"12345678" * 10))
    check_heaps(bytes(64) + heap + bytes(8) + heap)


@pytest.mark.parametrize(
    "content", [_heap(4096)[:-1], _heap(64, (1, bytes(8)))[:24] + b"\xff" * 40], ids=["cut", "size"]
)
def test_damaged_heaps(content):
    with pytest.raises(ValueError, match="damaged"):
        check_heaps(content)


def test_heaps_within_heaps_take_no_long_time():
    """A heap of heaps would be gone through once for each of them."""
    count = 1 << 16
    heaps = bytearray()
    for k in range(count):
        heaps += _HEAD + (24 * (count - k)).to_bytes(8, "little") + bytes(8)
    began = time.process_time()
    with pytest.raises(ValueError, match=r"damaged|overlap"):
        check_heaps(bytes(heaps))
    assert time.process_time() - began < 5
