"""Files of arrays and a header: HDF5 behind a block with the name of the format and a checksum.

The block of 512 bytes (an HDF5 "user block", which every HDF5 tool skips) holds the SHA-256 of all
that follows, so a damaged file is recognized before the HDF5 library reads it.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from deepattn import limits
from deepattn.errors import ModelFileError
from deepattn.formats.hdf5 import SIGNATURE, check_heaps

if TYPE_CHECKING:
    import h5py

# Bytes before the HDF5 file.
BLOCK = 512


@dataclass(frozen=True)
class ArrayFormat:
    """A kind of such files.

    Attributes:
        magic: how the block begins.
        version: number of the version that is written, and the only one that is read.
        name: name of the kind in messages, without its article.
    """

    magic: bytes
    version: int
    name: str

    def encode(self, arrays: dict[str, np.ndarray], header: dict) -> bytearray:
        """The bytes of a file.

        Args:
            arrays: Arrays by name. One object under several names is stored once.
            header: Anything JSON can hold; floats survive exactly.
        """
        import h5py

        buffer = io.BytesIO()
        # Later formats than the earliest write times, so that equal contents would differ.
        with h5py.File(buffer, "w", userblock_size=BLOCK, libver=("earliest", "v110")) as file:
            file["header"] = json.dumps(header)
            first: dict[int, str] = {}
            for name, array in arrays.items():
                known = first.setdefault(id(array), name)
                # Assigning an object of the file makes a link.
                file[name] = array if known == name else file[known]
        content = bytearray(buffer.getbuffer())
        content[:BLOCK] = self.first_block(memoryview(content)[BLOCK:])
        return content

    def parse(self, content: bytes, path: Path) -> tuple[dict[str, np.ndarray], dict]:
        """Arrays and header of a file.

        Args:
            content: The bytes.
            path: Where they come from, for messages.

        Raises:
            ModelFileError: If they are damaged or of another kind of file.
        """
        body = self._check_block(path, content)
        try:
            check_heaps(content)
            return _decode(body, len(content))
        # A damaged file makes the libraries raise nearly anything.
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ModelFileError(f"{path}: is not a well-formed {self.name}: {reason}") from None

    def first_block(self, body: memoryview) -> bytes:
        """Name, version and checksum of what follows."""
        digest = hashlib.sha256(body).hexdigest()
        text = f"{self.version}\nsha256 {digest}\n".encode()
        return (self.magic + text).ljust(BLOCK, b"\0")

    def _check_block(self, path: Path, content: bytes) -> io.BytesIO:
        block = content[:BLOCK]
        if not block.startswith(self.magic):
            kind = "an HDF5 file, but not " if block.startswith(SIGNATURE) else "not "
            raise ModelFileError(f"{path}: is {kind}a deepattn {self.name}")
        version, _, _ = block.removeprefix(self.magic).partition(b"\n")
        if version.isdigit() and int(version) != self.version:
            raise ModelFileError(
                f"{path}: is a {self.name} of format version {int(version)}; this version of "
                f"deepattn reads version {self.version}"
            )
        if block != self.first_block(memoryview(content)[BLOCK:]):
            raise ModelFileError(
                f"{path}: the {self.name} is damaged or incomplete: its checksum does not match"
            )
        return io.BytesIO(content)


def _decode(body: io.BytesIO, size: int) -> tuple[dict[str, np.ndarray], dict]:
    import h5py

    arrays, read = {}, {}
    left = size
    names: list[str] = []

    def visit(name: str, link: h5py.HardLink | h5py.SoftLink | h5py.ExternalLink) -> None:
        # Of soft and external links nothing is followed.
        if isinstance(link, h5py.HardLink):
            names.append(name)

    with h5py.File(body, "r") as file:
        text = file["header"]
        if text.shape != () or text.is_virtual or text.external:
            raise ValueError("its header is not one text")
        header = json.loads(text.asstr()[()])
        limits.check_depth(header)
        file.visititems_links(visit)
        for name in names:
            item = file[name]
            if not isinstance(item, h5py.Dataset) or name == "header":
                continue
            if item.is_virtual or item.external:
                raise ValueError(f"{name} points to another file")
            # Arrays stored once are one array again.
            place = h5py.h5o.get_info(item.id).addr
            if place not in read:
                if item.dtype.kind not in "fiub":
                    raise ValueError(f"{name} contains {item.dtype}, not numbers")
                left -= item.nbytes
                if left < 0:
                    raise ValueError(f"{name} and the arrays before it are larger than the file")
                read[place] = np.asarray(item[()])
            arrays[name] = read[place]
    if not isinstance(header, dict):
        raise ValueError("the header is not a JSON object")
    return arrays, header
