"""The passes of the pair embedding by the CUDA library."""

import ctypes

import numpy as np

from . import cuda_calls

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


def prepare(memory, order, inputs, *, with_sums, **arrays):
    """The call of a pass, its outputs and what must live as long, in `cuda_calls.HostArrays`.

    As in `pair_embedding`.
    """
    rows, weight, index, factors, *layers = inputs
    dtype, width = rows.dtype, [rows.shape[1], *(len(bias) for bias in layers[1])]
    shape = Shape(len(rows), len(layers[0]), (ctypes.c_int64 * 17)(*width), len(factors))
    given = {"input": rows, "weight": weight, "index": index} | arrays
    given = {name: memory.device(x) for name, x in given.items()}
    factors, layers = memory.device(factors), [[memory.device(x) for x in kind] for kind in layers]
    out = {} if order == 1 else {"out": memory.empty((len(rows), width[-1]), dtype)}
    if order > 0:
        for name in ("input", "weight"):
            out[f"out_{name}"] = memory.empty(given[name].shape, dtype)

    def parameters(layers, factors):
        lists = (_Layers(*(memory.address(x) if x.size else None for x in k)) for k in layers)
        return Parameters(*lists, memory.address(factors))

    addresses = {name: memory.address(x) for name, x in (given | out).items()}
    call = Call(shape=shape, parameters=parameters(layers, factors), **addresses)
    sums = []
    if order > 0 and with_sums:
        lists = [[memory.empty(x.shape, dtype) for x in kind] for kind in layers]
        sums = [memory.empty(factors.shape, dtype), *(x for kind in lists for x in kind)]
        call.sums = ctypes.pointer(parameters(lists, sums[0]))
    return call, [*out.values(), *sums], [given, factors, layers]


def pair_embedding(library, order, inputs, *, with_sums=True, **arrays):
    """A pass, prepared: what the op of that order gives for the op's inputs, layers as three lists.

    `arrays` are ``grad`` and, of order 2, ``bar_input`` and ``bar_weight``.
    """
    call, outputs, keep = prepare(cuda_calls.arrays, order, inputs, with_sums=with_sums, **arrays)
    name = f"deepattn_cuda_pair_embedding_{cuda_calls.SUFFIX[inputs[0].dtype]}"
    room, size = cuda_calls.workspace(
        library,
        name.replace("embedding_", "embedding_workspace_"),
        *(ctypes.byref(call.shape), order, int(bool(call.sums))),
    )
    problem = cuda_calls.empty((1,), np.uint64)
    pointers = [cuda_calls.pointer(x) for x in (problem, room)]
    return cuda_calls.Prepared(
        library,
        name,
        [ctypes.byref(call), order, *pointers, size],
        outputs,
        problem=problem,
        keep=[call, keep, room],
    )
