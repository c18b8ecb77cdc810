"""Writing what PyTorch's ``torch.load`` reads, without PyTorch."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

_STORAGES = {"float64": "DoubleStorage", "float32": "FloatStorage", "int64": "LongStorage"}
_FOLDER = "archive"
# A time that ZIP archives can hold.
_TIME = (1980, 1, 1, 0, 0, 0)


def encode_torch(value: Mapping[str, Any]) -> bytes:
    """Mappings, lists, plain values and arrays as a file of ``torch.save``.

    An array object that occurs several times is stored once. Equal values give equal files.

    Args:
        value: What ``torch.load`` is to give; arrays become tensors.

    Raises:
        TypeError: It holds something else.
    """
    pickler = _Pickler()
    content = pickler.dump(value)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        _write(archive, "data.pkl", content)
        _write(archive, "byteorder", b"little")
        for key, array in enumerate(pickler.arrays):
            _write(archive, f"data/{key}", array.tobytes())
        _write(archive, "version", b"3\n")
    return file.getvalue()


def _write(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(f"{_FOLDER}/{name}", _TIME), content)


class _Pickler:
    """Instructions of the second protocol; ``arrays`` are the storages in their order."""

    def __init__(self) -> None:
        self.arrays: list[np.ndarray] = []
        self._keys: dict[int, int] = {}
        self._parts: list[bytes] = []

    def dump(self, value: Any) -> bytes:
        """The pickle of a value."""
        self._parts = [b"\x80\x02"]
        self._put(value)
        return b"".join([*self._parts, b"."])

    def _put(self, value: Any) -> None:
        match value:
            case None:
                self._parts.append(b"N")
            case bool():
                self._parts.append(b"\x88" if value else b"\x89")
            case int() if -(1 << 31) <= value < 1 << 31:
                self._parts.append(b"J" + struct.pack("<i", value))
            case int() if -(1 << 63) <= value < 1 << 63:
                self._parts.append(b"\x8a\x08" + struct.pack("<q", value))
            case float():
                self._parts.append(b"G" + struct.pack(">d", value))
            case str():
                text = value.encode()
                self._parts.append(b"X" + struct.pack("<I", len(text)) + text)
            case np.ndarray():
                self._put_array(value)
            case list() | tuple():
                self._parts.append(b"](" if isinstance(value, list) else b"(")
                for part in value:
                    self._put(part)
                self._parts.append(b"e" if isinstance(value, list) else b"t")
            case dict():
                self._parts.append(b"}(")
                for key, part in value.items():
                    self._put(key)
                    self._put(part)
                self._parts.append(b"u")
            case _:
                raise TypeError(f"a {type(value).__name__} cannot be written for PyTorch")

    def _put_array(self, array: np.ndarray) -> None:
        kind = _STORAGES.get(array.dtype.name)
        if kind is None:
            raise TypeError(f"an array of {array.dtype} cannot be written for PyTorch")
        key = self._keys.setdefault(id(array), len(self.arrays))
        if key == len(self.arrays):
            self.arrays.append(array)
        strides = [1]
        for length in reversed(array.shape[1:]):
            strides.insert(0, strides[0] * max(length, 1))
        self._parts.append(b"ctorch._utils\n_rebuild_tensor_v2\n((")
        self._put("storage")
        self._parts.append(b"ctorch\n" + kind.encode() + b"\n")
        for part in (str(key), "cpu", array.size):
            self._put(part)
        self._parts.append(b"tQ")
        self._put(0)
        self._put(array.shape)
        self._put(tuple(strides[: array.ndim]))
        # Whether gradients are wanted, and no hooks.
        self._parts.append(b"\x89ccollections\nOrderedDict\n)RtR")
