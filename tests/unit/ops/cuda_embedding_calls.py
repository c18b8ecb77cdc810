"""The passes of the pair embedding by the CUDA library."""

import ctypes

import numpy as np

from .cuda_calls import SUFFIX, aligned, call, device, explain, pointer, workspace

MOST_LAYERS = 16
_Layers = ctypes.c_void_p * MOST_LAYERS


class Shape(ctypes.Structure):
    """``deepattn_pair_embedding_shape``."""

    _fields_ = (
        ("nrows", ctypes.c_int64),
        ("nlayers", ctypes.c_int64),
        ("width", ctypes.c_int64 * (MOST_LAYERS + 1)),
        ("nfactors", ctypes.c_int64),
    )


class Parameters(ctypes.Structure):
    """``deepattn_pair_embedding_parameters``, and the sums of gradients by them."""

    _fields_ = (
        *((name, _Layers) for name in ("matrix", "bias", "step")),
        ("factors", ctypes.c_void_p),
    )


class Call(ctypes.Structure):
    """``deepattn_pair_embedding_call``."""

    _fields_ = (
        ("shape", Shape),
        *((name, ctypes.c_void_p) for name in ("input", "weight", "index")),
        ("parameters", Parameters),
        *((name, ctypes.c_void_p) for name in ("grad", "bar_input", "bar_weight")),
        *((name, ctypes.c_void_p) for name in ("out", "out_input", "out_weight")),
        ("sums", ctypes.POINTER(Parameters)),
    )


def pair_embedding(library, order, inputs, *, with_sums=True, **arrays):
    """A pass: what the op of that order gives for the op's inputs, layers as three lists.

    ``arrays`` are ``grad`` and, of order 2, ``bar_input`` and ``bar_weight``.
    """
    rows, weight, index, factors, *layers = inputs
    dtype = rows.dtype
    rows, weight, factors = (device(x) for x in (rows, weight, factors))
    layers = [[device(x) for x in kind] for kind in layers]
    index, arrays = device(index), {key: device(x) for key, x in arrays.items()}
    widths = [rows.shape[1], *(bias.shape[0] for bias in layers[1])]
    shape = Shape(len(rows), len(layers[0]), (ctypes.c_int64 * 17)(*widths), len(factors))
    out = {}
    if order != 1:
        out["out"] = aligned((len(rows), widths[-1]), dtype)
    if order > 0:
        out |= {"out_input": aligned(rows.shape, dtype), "out_weight": aligned(weight.shape, dtype)}
    arguments = Call(
        shape=shape,
        **_addresses({"input": rows, "weight": weight, "index": index, **arrays, **out}),
        parameters=_parameters(layers, factors),
    )
    sums = []
    if order > 0 and with_sums:
        sums = [[aligned(x.shape, dtype) for x in kind] for kind in layers]
        factor_sums = aligned(factors.shape, dtype)
        arguments.sums = ctypes.pointer(_parameters(sums, factor_sums))
        sums = [factor_sums, *(x for kind in sums for x in kind)]
    name, problem = f"deepattn_cuda_pair_embedding_{SUFFIX[dtype]}", aligned((1,), np.uint64)
    room = workspace(
        library,
        name.replace("embedding_", "embedding_workspace_"),
        *(ctypes.byref(shape), order, int(bool(sums))),
    )
    rest = (pointer(problem), pointer(room[0]), room[1])
    call(library, name, ctypes.byref(arguments), order, *rest)
    explain(library, problem)
    return [*out.values(), *sums]


def _addresses(arrays):
    return {key: x.ctypes.data for key, x in arrays.items()}


def _parameters(layers, factors):
    lists = (_Layers(*(x.ctypes.data if x.size else None for x in kind)) for kind in layers)
    return Parameters(*lists, factors.ctypes.data)
