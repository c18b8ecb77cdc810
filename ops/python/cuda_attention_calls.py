"""The passes of gated attention by the CUDA library, with what they leave for each other."""

import ctypes
from dataclasses import dataclass

import cuda_calls
import numpy as np

# By their numbers, as in kernels/common/passes.h.
PASSES = ("forward", "backward", "tangent", "reverse")
PARAMETERS = (
    *("query_matrix", "query_bias", "key_matrix", "key_bias", "value_matrix", "value_bias"),
    *("out_matrix", "out_bias", "gamma", "beta"),
)
SLOTS = ("embedding", "direction", "weight")
GRAD_GRADS = tuple(f"grad_grad_{name}" for name in SLOTS)
OUTPUTS = {
    "forward": {"output": "embedding"},
    "backward": {f"grad_{name}": name for name in SLOTS},
    "tangent": {"grad_grad_output": "embedding"},
    "reverse": {f"grad_{name}": name for name in SLOTS},
}
_TAKEN = {
    "forward": (),
    "backward": ("grad_output",),
    "tangent": GRAD_GRADS,
    "reverse": ("grad_output", *GRAD_GRADS, "outer_grad_output"),
}


class Shape(ctypes.Structure):
    """``deepattn_attention_shape``."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("natoms", "nnei", "width", "attn")),
        *((name, ctypes.c_int32) for name in ("dotr", "mask", "smooth")),
    )


class Parameters(ctypes.Structure):
    """``AttentionParameters``, or where gradients by them go."""

    _fields_ = tuple((name, ctypes.c_void_p) for name in PARAMETERS)


def _call_type(real):
    def pointers(*names):
        return tuple((name, ctypes.c_void_p) for name in names)

    class Call(ctypes.Structure):
        """``AttentionCall``."""

        _fields_ = (
            ("shape", Shape),
            *pointers(*SLOTS, "count"),
            ("padding", real),
            ("ln_eps", real),
            ("parameters", Parameters),
            *pointers("saved", "saved_tangents", "grad_output", *GRAD_GRADS, "outer_grad_output"),
            *pointers("output", "grad_grad_output", *OUTPUTS["backward"]),
            ("grad_parameters", ctypes.POINTER(Parameters)),
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


def batch_of(case, outer_grad_output, options, ln_eps, dtype) -> Batch:
    """A batch of an `attention_cases.Case`."""
    names = (*SLOTS, *GRAD_GRADS, "grad_output", "outer_grad_output")
    values = (*case.slots, *case.grad_grads, case.grad, outer_grad_output)
    arrays = {name: np.asarray(x, dtype) for name, x in zip(names, values, strict=True)}
    shape = Shape(
        *case.slots[0].shape, len(case.parameters[1]), *(int(on) for on in options.values())
    )
    parameters = [np.asarray(x, dtype) for x in case.parameters]
    return Batch(shape, arrays | {"count": case.count}, parameters, case.padding, ln_eps)


class CudaAttention:
    """Prepares passes over one batch, which use what the passes before them saved."""

    def __init__(self, library, batch: Batch):
        self.library, self.batch = library, batch
        self.suffix = cuda_calls.SUFFIX[batch.dtype]
        self.arrays = {name: cuda_calls.device(x) for name, x in batch.arrays.items()}
        self.parameters = [cuda_calls.device(x) for x in batch.parameters]
        for name in ("saved", "saved_tangents"):
            size = getattr(library, f"deepattn_cuda_attention_{name}_{self.suffix}")
            size.restype = ctypes.c_int64
            room = cuda_calls.empty((size(ctypes.byref(batch.shape)),), batch.dtype)
            self.arrays[name] = room

    def prepare(self, name, *, with_sums=False) -> cuda_calls.Prepared:
        """A pass; its outputs are in the op's order, ``with_sums`` with gradients by parameters."""
        outputs = {key: self._like(self.arrays[like]) for key, like in OUTPUTS[name].items()}
        sums = [self._like(x) for x in self.parameters] if with_sums else []
        taken = (*SLOTS, "count", "saved", "saved_tangents", *_TAKEN[name])
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
            arguments.grad_parameters = ctypes.pointer(Parameters(*map(address, sums)))
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
