"""The ZIP archive of a ``.pt`` or ``.pth`` file: members by name, as views of the file.

PyTorch stores numbers uncompressed, so nothing is unpacked. Compressed members, the code of a
``.pth`` among them, are left out; overlapping ones are refused.
"""

from __future__ import annotations

import io
import os
import re
import struct
import zipfile
from typing import NoReturn

from deepattn.errors import ModelFileError

_MAGIC = b"PK\x03\x04"
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
# Members that PyTorch's versions write first, in a folder that has the name of the file.
_FIRST = re.compile(
    rb"[^/]+/(data\.pkl|data/[0-9]+|\.?(format_)?version|byteorder|(code|extra)/.*)"
)
# A state of 37 branches has 12,000 tensors, each a member.
_MEMBERS = 1 << 18
_ENCRYPTED = 0x1


def is_torch_start(start: bytes) -> bool:
    """Whether the first bytes of a file are of an archive of PyTorch: by its first member."""
    if not start.startswith(_MAGIC) or len(start) < _LOCAL_HEADER.size:
        return False
    *_, length, _ = _LOCAL_HEADER.unpack_from(start)
    name = start[_LOCAL_HEADER.size : _LOCAL_HEADER.size + length]
    return _FIRST.fullmatch(name) is not None


class Archive:
    """The members of an archive as views of the file.

    Args:
        content: The whole file.
        path: The file, for messages.

    Raises:
        ModelFileError: The file is damaged, or holds what PyTorch does not write.
    """

    def __init__(self, content: bytes, path: str | os.PathLike):
        self.path = path
        self._content = content
        try:
            members = self._members()
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, NotImplementedError):
            reason = "it is damaged, or no file of PyTorch"
            raise ModelFileError(f"{path}: cannot be read: {reason}") from None
        self._members_by_name = members
        folders = {name.partition("/")[0] for name in members}
        if len(folders) != 1 or f"{(folder := folders.pop())}/data.pkl" not in members:
            raise ModelFileError(
                f"{path}: holds no uncompressed data.pkl, so PyTorch has not written it."
            )
        self._folder = folder
        if "byteorder" in self and bytes(self["byteorder"]) != b"little":
            raise ModelFileError(f"{path}: was written on a big-endian machine; convert it there.")

    def __contains__(self, name: str) -> bool:
        return f"{self._folder}/{name}" in self._members_by_name

    def __getitem__(self, name: str) -> memoryview:
        start, size = self._members_by_name[f"{self._folder}/{name}"]
        return memoryview(self._content)[start : start + size]

    def __len__(self) -> int:
        return len(self._members_by_name)

    def _members(self) -> dict[str, tuple[int, int]]:
        """Where the content of each member begins, and its bytes."""
        with zipfile.ZipFile(io.BytesIO(self._content)) as archive:
            entries = archive.infolist()
        if len(entries) > _MEMBERS:
            self._fail(f"has {len(entries)} members, more than the {_MEMBERS} that are read")
        members: dict[str, tuple[int, int]] = {}
        for entry in entries:
            name = entry.filename
            if entry.flag_bits & _ENCRYPTED:
                self._fail(f"has an encrypted member {name[:80]!r}")
            if entry.compress_type != zipfile.ZIP_STORED:
                continue
            if name in members:
                self._fail(f"has the member {name[:80]!r} twice")
            members[name] = self._extent(entry)
        last = 0
        for start, size in sorted(members.values()):
            if start < last:
                self._fail("has members that overlap")
            last = start + size
        return members

    def _extent(self, entry: zipfile.ZipInfo) -> tuple[int, int]:
        begin = entry.header_offset
        end = begin + _LOCAL_HEADER.size
        if begin < 0 or end > len(self._content) or self._content[begin : begin + 4] != _MAGIC:
            self._fail(f"has no member where it lists {entry.filename[:80]!r}")
        *_, name, extra = _LOCAL_HEADER.unpack_from(self._content, begin)
        start = end + name + extra
        if entry.compress_size != entry.file_size or start + entry.file_size > len(self._content):
            self._fail(f"ends before its member {entry.filename[:80]!r}")
        return start, entry.file_size

    def _fail(self, reason: str) -> NoReturn:
        raise ModelFileError(f"{self.path}: {reason}; it is damaged, or no file of PyTorch.")
