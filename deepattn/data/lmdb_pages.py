"""The pages of an LMDB file, walked before the library maps them.

The library trusts what it maps: an entry that lies beyond the end of a file cut short ends the
process. What it follows when entries are read is checked here, byte by byte of the format
(LMDB 0.9, little-endian, 64 bits); entries themselves are not read.
"""

from __future__ import annotations

import mmap
import os
import struct

_META = struct.Struct("<IIQQ")  # magic, version, address, size of the map
_DATABASE = struct.Struct("<IHHQQQQQ")  # size of a page, flags, depth, four counts, root
_MAGIC, _VERSION = 0xBEEFC0DE, 1
_HEAD = struct.Struct("<QHHHH")  # number, padding, flags, end of the places, start of the nodes
_NODE = struct.Struct("<HHHH")  # low and high half of the size, flags, length of the key
_BRANCH, _LEAF, _OVERFLOW, _OF_META = 0x01, 0x02, 0x04, 0x08
_BIG = 0x01  # of a node: its value has pages of its own
_NO_ROOT = (1 << 64) - 1
_DEPTH = 32  # the library's own stack
_DAMAGED = "it is damaged or cut short; get a complete copy"


def check_pages(path: str | os.PathLike) -> None:
    """Refuse an environment with a page or an entry that is not in its file.

    Args:
        path: The file ``data.mdb``.

    Raises:
        ValueError: There is one.
        OSError: The file cannot be read.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size < _HEAD.size + _META.size + 2 * _DATABASE.size + 16:
            raise ValueError(_DAMAGED)
        with mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as content:
            try:
                _Pages(content).check()
            except (struct.error, IndexError):
                raise ValueError(_DAMAGED) from None


class _Pages:
    def __init__(self, content: mmap.mmap) -> None:
        self._content = content
        start = _HEAD.size + _META.size
        self._page = _DATABASE.unpack_from(content, start)[0]
        if self._page not in (1 << bits for bits in range(9, 17)):
            raise ValueError(_DAMAGED)
        # The library takes the one of the later transaction.
        *_, self._depth, self._root, self._last = max(self._meta(0), self._meta(1))
        if (self._last + 1) * self._page > len(content):
            raise ValueError(
                f"it has {len(content)} of {(self._last + 1) * self._page} bytes; get a complete "
                "copy"
            )

    def check(self) -> None:
        """Walk the tree of the entries."""
        if self._root == _NO_ROOT:
            return
        seen: set[int] = set()
        pending = [(self._root, 1)]
        while pending:
            number, level = pending.pop()
            if number in seen:
                raise ValueError(_DAMAGED)
            seen.add(number)
            kind = _BRANCH if level < self._depth else _LEAF
            pending.extend((child, level + 1) for child in self._children(number, kind))

    def _meta(self, place: int) -> tuple[int, int, int, int, int]:
        """Of a meta page: transaction, order of preference, depth, root, last page."""
        start = place * self._page
        _, _, flags, _, _ = _HEAD.unpack_from(self._content, start)
        magic, version, _, _ = _META.unpack_from(self._content, start + _HEAD.size)
        free = start + _HEAD.size + _META.size
        page = _DATABASE.unpack_from(self._content, free)[0]
        _, kind, depth, *_, root = _DATABASE.unpack_from(self._content, free + _DATABASE.size)
        last, transaction = struct.unpack_from("<QQ", self._content, free + 2 * _DATABASE.size)
        if not flags & _OF_META or (magic, version, page) != (_MAGIC, _VERSION, self._page):
            raise ValueError(_DAMAGED)
        if kind or depth > _DEPTH:
            raise ValueError("it is not a database of frames")
        return transaction, -place, depth, root, last

    def _children(self, number: int, kind: int) -> list[int]:
        """Check a page of the tree; the pages below it."""
        start = self._start(number)
        own, _, flags, lower, upper = _HEAD.unpack_from(self._content, start)
        if own != number or flags & 0xFF != kind or not _HEAD.size <= lower <= upper <= self._page:
            raise ValueError(_DAMAGED)
        count = (lower - _HEAD.size) // 2
        if kind == _BRANCH and count < 2:
            raise ValueError(_DAMAGED)
        below = []
        for place in struct.unpack_from(f"<{count}H", self._content, start + _HEAD.size):
            low, high, flags, key = _NODE.unpack_from(self._content, start + place)
            value = place + _NODE.size + key
            if not upper <= place or value > self._page:
                raise ValueError(_DAMAGED)
            if kind == _BRANCH:
                below.append(low | high << 16 | flags << 32)
            elif flags == _BIG and value + 8 <= self._page:
                [page] = struct.unpack_from("<Q", self._content, start + value)
                self._check_overflow(page, low | high << 16)
            elif flags or value + (low | high << 16) > self._page:
                raise ValueError(_DAMAGED)
        return below

    def _check_overflow(self, number: int, size: int) -> None:
        start = self._start(number)
        _, _, flags, low, high = _HEAD.unpack_from(self._content, start)
        pages = low | high << 16
        if flags & 0xFF != _OVERFLOW or number + pages > self._last + 1:
            raise ValueError(_DAMAGED)
        if _HEAD.size + size > pages * self._page:
            raise ValueError(_DAMAGED)

    def _start(self, number: int) -> int:
        if number > self._last:
            raise ValueError(_DAMAGED)
        return number * self._page
