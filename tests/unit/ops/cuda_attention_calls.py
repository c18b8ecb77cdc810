"""The passes of gated attention by the CUDA library, with what they leave for each other."""

import ctypes
from dataclasses import dataclass

import numpy as np

from . import cuda_calls

PASSES = ("forward", "gradient", "tangent", "reverse")
PARAMETERS = (
    *("query_matrix", "query_bias", "key_matrix", "key_bias", "value_matrix", "value_bias"),
    *("out_matrix", "out_bias", "gamma", "beta"),
)
SLOTS = ("embedding", "direction", "weight")
BARS = ("bar_embedding", "bar_direction", "bar_weight")
OUT_SLOTS = ("out_embedding", "out_direction", "out_weight")
_TAKEN = {
    "forward": (),
    "gradient": ("grad",),
    "tangent": BARS,
    "reverse": ("grad", *BARS, "bar_output"),
}


class Shape(ctypes.Structure):
    """``deepattn_attention_shape``."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("natoms", "nnei", "width", "attn")),
        *((name, ctypes.c_int32) for name in ("dotr", "mask", "smooth")),
    )


class Parameters(ctypes.Structure):
    """``deepattn_attention_parameters``, and the sums of gradients by them."""

    _fields_ = tuple((name, ctypes.c_void_p) for name in PARAMETERS)


def _call_type(real):
    def pointers(*names):
        return tuple((name, ctypes.c_void_p) for name in names)

    class Call(ctypes.Structure):
        """``deepattn_attention_call``."""

        _fields_ = (
            ("shape", Shape),
            *pointers(*SLOTS, "count"),
            ("padding", real),
            ("ln_eps", real),
            ("parameters", Parameters),
            *pointers("kept", "state", "grad", *BARS, "bar_output", "out", *OUT_SLOTS),
            ("sums", ctypes.POINTER(Parameters)),
        )

    return Call


CALLS = {"f32": _call_type(ctypes.c_float), "f64": _call_type(ctypes.c_double)}


@dataclass
class Batch:
    """Inputs of all passes, as arrays of numpy: those of the call's structure, by their names."""

    shape: Shape
    arrays: dict[str, np.ndarray]
    parameters: list[np.ndarray]
    padding: float
    ln_eps: float

    @property
    def dtype(self) -> np.dtype:
        """Of the floats."""
        return self.arrays["embedding"].dtype


def batch_of(case, bar_output, options, ln_eps, dtype) -> Batch:
    """A batch of an `attention_cases.Case`."""
    names = (*SLOTS, *BARS, "grad", "bar_output")
    values = (*case.slots, *case.bars, case.grad, bar_output)
    arrays = {name: np.asarray(x, dtype) for name, x in zip(names, values, strict=True)}
    shape = Shape(
        *case.slots[0].shape, len(case.parameters[1]), *(int(on) for on in options.values())
    )
    parameters = [np.asarray(x, dtype) for x in case.parameters]
    return Batch(shape, arrays | {"count": case.count}, parameters, case.padding, ln_eps)


class CudaAttention:
    """Prepares passes over one batch, which use what the passes before them left."""

    def __init__(self, library, batch: Batch):
        self.library, self.batch = library, batch
        self.suffix = cuda_calls.SUFFIX[batch.dtype]
        self.arrays = {name: cuda_calls.device(x) for name, x in batch.arrays.items()}
        self.parameters = [cuda_calls.device(x) for x in batch.parameters]
        for name in ("kept", "state"):
            size = getattr(library, f"deepattn_cuda_attention_{name}_{self.suffix}")
            size.restype = ctypes.c_int64
            room = cuda_calls.empty((size(ctypes.byref(batch.shape)),), batch.dtype)
            self.arrays[name] = room

    def prepare(self, name, *, with_sums=False) -> cuda_calls.Prepared:
        """A pass; its outputs are in the op's order, ``with_sums`` with gradients by parameters."""
        outputs = {"out": self.arrays["embedding"]}
        if name in ("gradient", "reverse"):
            outputs = {key: self.arrays[key[4:]] for key in OUT_SLOTS}
        outputs = {key: self._like(x) for key, x in outputs.items()}
        sums = [self._like(x) for x in self.parameters] if with_sums else []
        taken = (*SLOTS, "count", "kept", "state", *_TAKEN[name])
        inputs = {key: self.arrays[key] for key in taken}
        address = cuda_calls.arrays.address
        arguments = CALLS[self.suffix](
            shape=self.batch.shape,
            padding=self.batch.padding,
            ln_eps=self.batch.ln_eps,
            parameters=Parameters(*map(address, self.parameters)),
            **{key: address(x) for key, x in (inputs | outputs).items()},
        )
        if with_sums:
            arguments.sums = ctypes.pointer(Parameters(*map(address, sums)))
        number, problem = PASSES.index(name), cuda_calls.empty((1,), np.uint64)
        room, size = cuda_calls.workspace(
            self.library,
            f"deepattn_cuda_attention_workspace_{self.suffix}",
            *(ctypes.byref(self.batch.shape), number, int(with_sums)),
        )
        pointers = [cuda_calls.pointer(x) for x in (problem, room)]
        return cuda_calls.Prepared(
            self.library,
            f"deepattn_cuda_attention_{self.suffix}",
            [ctypes.byref(arguments), number, *pointers, size],
            [*outputs.values(), *sums],
            problem=problem,
            keep=[arguments, room, outputs, sums, self],
        )

    def run(self, name, *, with_sums=False) -> list[np.ndarray]:
        """The results of `prepare`."""
        return self.prepare(name, with_sums=with_sums).results()

    def _like(self, array):
        return cuda_calls.empty(array.shape, array.dtype)
