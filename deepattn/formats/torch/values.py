"""What a pickle of PyTorch's files makes: tensors, inert objects, and the calls that are known."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

_DIMENSIONS = 16
# Of a number of NumPy.
_NUMBER_BYTES = 16

STORAGES: dict[str, np.dtype] = {
    "DoubleStorage": np.dtype("<f8"),
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
    # NumPy has no bfloat16: the upper halves of float32.
    "BFloat16Storage": np.dtype("<u2"),
}

_HALVES = ("HalfStorage", "BFloat16Storage")


class PickleError(ValueError):
    """A pickle is damaged, or holds what these files do not."""


@dataclass(frozen=True)
class Global:
    """A name in a pickle, ``module.name``; it is not looked up."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(frozen=True)
class Storage:
    """Numbers of a tensor, or of several: a member ``data/<key>`` of the archive."""

    key: str
    kind: str
    size: int

    @property
    def dtype(self) -> np.dtype:
        """The type of its numbers; those of ``BFloat16Storage`` are the upper halves of float32."""
        return STORAGES[self.kind]


@dataclass(frozen=True)
class Tensor:
    """A tensor: a view of a storage. Its numbers are not read before they are asked for."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def is_view(self) -> bool:
        """Whether its numbers need not be copied: they are in order, and not of half precision."""
        step = 1
        for length, stride in zip(reversed(self.shape), reversed(self.strides), strict=True):
            if length > 1 and stride != step:
                return False
            step *= length
        return self.storage.kind not in _HALVES

    def array(self, content: Callable[[str], memoryview]) -> np.ndarray:
        """Its numbers.

        Args:
            content: The bytes of a storage by its key.

        Returns:
            An array in order that must not be written to: a view of the content, or a copy, for
            numbers of half precision one in float32.

        Raises:
            PickleError: The storage has fewer numbers than the tensor.
        """
        dtype = self.storage.dtype
        size = math.prod(self.shape)
        try:
            numbers = np.frombuffer(content(self.storage.key), dtype)
        except (KeyError, ValueError):
            raise PickleError(f"the numbers {self.storage.key[:40]!r} are missing") from None
        steps = zip(self.shape, self.strides, strict=True)
        reach = self.offset + sum((length - 1) * stride for length, stride in steps)
        if not size:
            return np.empty(self.shape, dtype)
        if reach >= len(numbers):
            raise PickleError(f"a tensor reaches beyond the numbers {self.storage.key[:40]!r}")
        if size > len(numbers):
            # Strides that overlap would make a small file a large array.
            raise PickleError("it has a tensor that repeats its numbers")
        if self.is_view:
            return numbers[self.offset : self.offset + size].reshape(self.shape)
        strides = tuple(stride * dtype.itemsize for stride in self.strides)
        view = np.lib.stride_tricks.as_strided(
            numbers[self.offset :], self.shape, strides, writeable=False
        )
        if self.storage.kind == "BFloat16Storage":
            return np.left_shift(view, 16, dtype="<u4", order="C").view("<f4")
        return view.astype("<f4" if self.storage.kind == "HalfStorage" else dtype, order="C")


@dataclass
class Node:
    """An object of TorchScript: its class and its attributes."""

    kind: Global
    state: Any = field(default=None)


def call(callee: Global, arguments: tuple[Any, ...]) -> Any:
    """What a call in a pickle makes.

    Raises:
        PickleError: The call is not known here, or its arguments make no sense.
    """
    if callee.module.startswith("__torch__"):
        return Node(callee, arguments)
    name = str(callee)
    if name not in _CALLS:
        raise PickleError(f"its pickle calls {name[:80]!r}, which is not allowed")
    try:
        return _CALLS[name](*arguments)
    except (ValueError, OverflowError) as error:
        raise PickleError(str(error) or f"its pickle calls {name} wrongly") from None


def _rebuild_tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> Tensor:
    shape, strides = _size(shape), _size(strides)
    numbers = (offset, *shape, *strides)
    whole = all(type(n) is int and 0 <= n < 1 << 48 for n in numbers)
    if not isinstance(storage, Storage) or not whole or len(shape) != len(strides):
        raise PickleError("it has a tensor of no shape")
    return Tensor(storage, offset, shape, strides)


def _size(value: Any) -> tuple[Any, ...]:
    """The lengths of a tensor. What can be called often must not make large copies."""
    if not isinstance(value, tuple | list):
        raise PickleError("it has a tensor of no shape")
    if len(value) > _DIMENSIONS:
        raise PickleError(f"it has a tensor of {len(value)} dimensions")
    return tuple(value)


def _ordered(*pairs: Any) -> dict[Any, Any]:
    if pairs and pairs != ([],):
        raise PickleError("its pickle makes a mapping in an unknown way")
    return {}


def _scalar(dtype: Any, content: Any = b"") -> Any:
    """A number of NumPy, as files from before September 2024 have them."""
    if not isinstance(dtype, np.dtype) or not isinstance(content, bytes):
        raise PickleError("it has a number of no type")
    return np.frombuffer(content, dtype, count=1)[0].item()


def _dtype(name: Any, *_: Any) -> np.dtype:
    if name not in ("f2", "f4", "f8", "i4", "i8", "u4", "u8", "b1"):
        raise PickleError(f"it has numbers of the type {str(name)[:20]!r}, not known")
    return np.dtype(name)


def _latin(text: Any, encoding: Any) -> bytes:
    if not isinstance(text, str) or len(text) > _NUMBER_BYTES or encoding != "latin1":
        raise PickleError("it has bytes of an unknown encoding")
    return text.encode("latin1")


def _same(value: Any, *_: Any) -> Any:
    return value


_CALLS: Mapping[str, Callable[..., Any]] = {
    "collections.OrderedDict": _ordered,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_parameter": _same,
    "torch.Size": _size,
    "torch.device": _same,
    "torch.jit._pickle.build_boollist": _same,
    "torch.jit._pickle.build_doublelist": _same,
    "torch.jit._pickle.build_intlist": _same,
    "torch.jit._pickle.build_tensorlist": _same,
    "torch.jit._pickle.restore_type_tag": _same,
    "numpy.core.multiarray.scalar": _scalar,
    "numpy._core.multiarray.scalar": _scalar,
    "numpy.dtype": _dtype,
    "_codecs.encode": _latin,
}
