"""The passes of the pair embedding by the CUDA library."""

import ctypes

import cuda_calls
import numpy as np

MOST_LAYERS = 16
# By their numbers, as in kernels/common/passes.h.
PASSES = ("forward", "backward", "double_backward")
GRAD_GRADS = ("grad_grad_input", "grad_grad_weight")
# What each pass takes besides the inputs.
TAKEN = {
    "forward": (),
    "backward": ("grad_output",),
    "double_backward": ("grad_output", *GRAD_GRADS),
}
_Layers = ctypes.c_void_p * MOST_LAYERS


class Shape(ctypes.Structure):
    """``deepattn_pair_embedding_shape``."""

    _fields_ = (
        ("nrows", ctypes.c_int64),
        ("nlayers", ctypes.c_int64),
        ("width", ctypes.c_int64 * (MOST_LAYERS + 1)),
        ("nfactors", ctypes.c_int64),
        ("noffsets", ctypes.c_int64),
    )


class Parameters(ctypes.Structure):
    """``EmbeddingParameters``, or where gradients by them go."""

    _fields_ = (
        *((name, _Layers) for name in ("matrix", "bias", "step")),
        ("factors", ctypes.c_void_p),
    )


class Call(ctypes.Structure):
    """``EmbeddingCall``."""

    _fields_ = (
        ("shape", Shape),
        *((name, ctypes.c_void_p) for name in ("input", "weight", "index")),
        ("parameters", Parameters),
        *((name, ctypes.c_void_p) for name in ("grad_output", *GRAD_GRADS)),
        *((name, ctypes.c_void_p) for name in ("output", "grad_grad_output")),
        *((name, ctypes.c_void_p) for name in ("grad_input", "grad_weight")),
        ("grad_parameters", ctypes.POINTER(Parameters)),
    )


def prepare(memory, name, inputs, *, with_sums, **arrays):
    """The call of a pass, its outputs and what must live as long, in `cuda_calls.HostArrays`.

    As in `pair_embedding`.
    """
    rows, weight, index, factors, *layers = inputs
    dtype, width = rows.dtype, [rows.shape[1], *(len(bias) for bias in layers[1])]
    shape = Shape(len(rows), len(layers[0]), (ctypes.c_int64 * 17)(*width), len(factors))
    given = {"input": rows, "weight": weight, "index": index} | arrays
    given = {name: memory.device(x) for name, x in given.items()}
    factors, layers = memory.device(factors), [[memory.device(x) for x in kind] for kind in layers]
    out = {}
    if name != "backward":
        output = "output" if name == "forward" else "grad_grad_output"
        out[output] = memory.empty((len(rows), width[-1]), dtype)
    if name != "forward":
        for source in ("input", "weight"):
            out[f"grad_{source}"] = memory.empty(given[source].shape, dtype)

    def parameters(layers, factors):
        lists = (_Layers(*(memory.address(x) if x.size else None for x in k)) for k in layers)
        return Parameters(*lists, memory.address(factors))

    addresses = {name: memory.address(x) for name, x in (given | out).items()}
    call = Call(shape=shape, parameters=parameters(layers, factors), **addresses)
    sums = []
    if name != "forward" and with_sums:
        lists = [[memory.empty(x.shape, dtype) for x in kind] for kind in layers]
        sums = [memory.empty(factors.shape, dtype), *(x for kind in lists for x in kind)]
        call.grad_parameters = ctypes.pointer(parameters(lists, sums[0]))
    return call, [*out.values(), *sums], [given, factors, layers]


def pair_embedding(library, name, inputs, *, with_sums=True, **arrays):
    """A pass of `PASSES`, prepared: what its op gives for the op's inputs, layers as three lists.

    `arrays` are those of `TAKEN`.
    """
    call, outputs, keep = prepare(cuda_calls.arrays, name, inputs, with_sums=with_sums, **arrays)
    number = PASSES.index(name)
    function = f"deepattn_cuda_pair_embedding_{cuda_calls.SUFFIX[inputs[0].dtype]}"
    room, size = cuda_calls.workspace(
        library,
        function.replace("embedding_", "embedding_workspace_"),
        *(ctypes.byref(call.shape), number, int(bool(call.grad_parameters))),
    )
    problem = cuda_calls.empty((1,), np.uint64)
    pointers = [cuda_calls.pointer(x) for x in (problem, room)]
    return cuda_calls.Prepared(
        library,
        function,
        [ctypes.byref(call), number, *pointers, size],
        outputs,
        problem=problem,
        keep=[call, keep, room],
    )
