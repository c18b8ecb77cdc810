"""Files that are damaged where their readers are in danger."""

from __future__ import annotations

from pathlib import Path


def damage_heap(path: Path) -> None:
    """Take the size from the first text in an HDF5 file, whose library would look on for ever."""
    content = bytearray(path.read_bytes())
    heap = content.find(b"GCOL")
    content[heap + 24 : heap + 32] = bytes(8)
    path.write_bytes(content)
