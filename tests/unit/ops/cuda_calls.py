"""Calls of the CUDA library's C interface with numpy arrays, on the host's memory."""

import ctypes

import numpy as np

SUFFIX = {np.dtype(np.float32): "f32", np.dtype(np.float64): "f64"}


class Status(ctypes.Structure):
    """``deepattn_status``."""

    _fields_ = (("code", ctypes.c_int), ("message", ctypes.c_char * 320))


class CudaError(RuntimeError):
    """What the status of a call says."""


def aligned(shape, dtype, fill=0xFF):
    """An array at a multiple of 16 bytes, as device memory is, filled with the byte `fill`."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    room = np.full(size + 16, fill, np.uint8)
    start = -room.ctypes.data % 16
    return room[start : start + size].view(dtype).reshape(shape)


def device(array, dtype=None):
    """A copy of an array as `aligned` makes them."""
    array = np.asarray(array, dtype)
    copy = aligned(array.shape, array.dtype)
    copy[...] = array
    return copy


def pointer(array):
    """The address of an array, or a null pointer for None."""
    return ctypes.c_void_p(None if array is None else array.ctypes.data)


def call(library, name, *arguments):
    """Calls a function whose last arguments are a stream and a status; raises what it says."""
    status = Status()
    getattr(library, name)(*arguments, ctypes.c_void_p(None), ctypes.byref(status))
    if status.code != 0:
        raise CudaError(status.message.decode())
