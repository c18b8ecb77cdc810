"""Writing what PyTorch's ``torch.load`` reads, without PyTorch."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from deepattn.formats.torch.values import Tensor

_STORAGES = {"float64": "DoubleStorage", "float32": "FloatStorage", "int64": "LongStorage"}
_FOLDER = "archive"
# A time that ZIP archives can hold.
_TIME = (1980, 1, 1, 0, 0, 0)


def encode_torch(
    value: Mapping[str, Any], content: Callable[[str], memoryview] | None = None
) -> bytes:
    """Mappings, lists, plain values, arrays and tensors as a file of ``torch.save``.

    An array object that occurs several times is stored once, and so are the numbers that tensors
    share. Equal values give equal files.

    Args:
        value: What ``torch.load`` is to give; arrays become tensors.
        content: The bytes of the tensors' numbers by key, if there are tensors.

    Raises:
        TypeError: It holds something else.
    """
    pickler = _Pickler(content)
    pickle = pickler.dump(value)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        _write(archive, "data.pkl", pickle)
        _write(archive, "byteorder", b"little")
        for key, numbers in enumerate(pickler.storages):
            _write(archive, f"data/{key}", numbers.tobytes())
        _write(archive, "version", b"3\n")
    return file.getvalue()


def _write(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(f"{_FOLDER}/{name}", _TIME), content)


class _Pickler:
    """Instructions of the second protocol; ``storages`` are the numbers of tensors in order."""

    def __init__(self, content: Callable[[str], memoryview] | None) -> None:
        self.storages: list[np.ndarray | memoryview] = []
        self._content = content
        self._keys: dict[int | str, int] = {}
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
            case Tensor():
                self._put_tensor(value)
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
        key = self._keys.setdefault(id(array), len(self.storages))
        if key == len(self.storages):
            self.storages.append(array)
        strides = [1]
        for length in reversed(array.shape[1:]):
            strides.insert(0, strides[0] * max(length, 1))
        self._put_view(key, kind, array.size, (0, array.shape, strides[: array.ndim]))

    def _put_tensor(self, tensor: Tensor) -> None:
        storage = tensor.storage
        if self._content is None:
            raise TypeError("a tensor cannot be written without its numbers")
        key = self._keys.setdefault(storage.key, len(self.storages))
        if key == len(self.storages):
            self.storages.append(self._content(storage.key))
        view = (tensor.offset, tensor.shape, tensor.strides)
        self._put_view(key, storage.kind, storage.size, view)

    def _put_view(
        self, key: int, kind: str, size: int, view: tuple[int, Sequence[int], Sequence[int]]
    ) -> None:
        """A tensor that sees ``size`` numbers with an offset, a shape and strides."""
        self._parts.append(b"ctorch._utils\n_rebuild_tensor_v2\n((")
        self._put("storage")
        self._parts.append(b"ctorch\n" + kind.encode() + b"\n")
        for part in (str(key), "cpu", size):
            self._put(part)
        self._parts.append(b"tQ")
        offset, shape, strides = view
        self._put(offset)
        self._put(tuple(shape))
        self._put(tuple(strides))
        # Whether gradients are wanted, and no hooks.
        self._parts.append(b"\x89ccollections\nOrderedDict\n)RtR")
