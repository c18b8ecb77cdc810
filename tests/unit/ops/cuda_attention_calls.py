"""The passes of gated attention by the CUDA library, with what they leave for each other."""

import ctypes

import numpy as np

from .cuda_calls import SUFFIX, aligned, call, device, explain, pointer, workspace

PASSES = ("forward", "gradient", "tangent", "reverse")
PARAMETERS = (
    *("query_matrix", "query_bias", "key_matrix", "key_bias", "value_matrix", "value_bias"),
    *("out_matrix", "out_bias", "gamma", "beta"),
)


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
            *pointers("embedding", "direction", "weight", "count"),
            ("padding", real),
            ("ln_eps", real),
            ("parameters", Parameters),
            *pointers("kept", "state", "grad", "bar_embedding", "bar_direction", "bar_weight"),
            *pointers("bar_output", "out", "out_embedding", "out_direction", "out_weight"),
            ("sums", ctypes.POINTER(Parameters)),
        )

    return Call


CALLS = {"f32": _call_type(ctypes.c_float), "f64": _call_type(ctypes.c_double)}


class CudaAttention:
    """Runs passes over one batch; outputs are the arrays that a pass writes, in the op's order."""

    def __init__(self, library, case, options, ln_eps, dtype):
        self.library, self.suffix = library, SUFFIX[np.dtype(dtype)]
        self.dtype, self.options, self.ln_eps = dtype, options, ln_eps
        self.case, self.count = case, device(case.count)
        self.slots = [device(x, dtype) for x in case.slots]
        self.parameters = [device(x, dtype) for x in case.parameters]
        natoms, nnei, width = self.slots[0].shape
        attn = self.parameters[1].shape[0]
        self.shape = Shape(natoms, nnei, width, attn, *(int(x) for x in options.values()))
        self.kept = aligned(self._size("kept"), dtype)
        self.state = aligned(self._size("state"), dtype)

    def forward(self):
        """The output."""
        return [self._tensor_pass("forward")]

    def tangent(self):
        """The output's tangent along the bars of the case."""
        return [self._tensor_pass("tangent", **self._bars())]

    def gradient(self, *, with_sums=True):
        """Gradients by slots and, if asked for, by parameters."""
        return self._gradient_pass("gradient", with_sums, grad=self.case.grad)

    def reverse(self, bar_output):
        """What the reverse pass gives by slots and parameters."""
        arrays = {"grad": self.case.grad, "bar_output": bar_output, **self._bars()}
        return self._gradient_pass("reverse", True, **arrays)

    def _bars(self):
        names = ("bar_embedding", "bar_direction", "bar_weight")
        return dict(zip(names, self.case.bars, strict=True))

    def _tensor_pass(self, name, **arrays):
        out = aligned(self.slots[0].shape, self.dtype)
        self._run(name, None, out=out, **arrays)
        return out

    def _gradient_pass(self, name, with_sums, **arrays):
        slots = [aligned(x.shape, self.dtype) for x in self.slots]
        sums = [aligned(x.shape, self.dtype) for x in self.parameters] if with_sums else None
        names = ("out_embedding", "out_direction", "out_weight")
        self._run(name, sums, **dict(zip(names, slots, strict=True)), **arrays)
        return [*slots, *(sums or [])]

    def _run(self, name, sums, **arrays):
        arrays = {
            key: device(x, self.dtype) if key[:3] != "out" else x for key, x in arrays.items()
        }
        number = PASSES.index(name)
        names = ("embedding", "direction", "weight")
        arrays |= dict(zip(names, self.slots, strict=True))
        arrays |= {"count": self.count, "kept": self.kept, "state": self.state}
        arguments = CALLS[self.suffix](
            shape=self.shape,
            padding=self.case.padding,
            ln_eps=self.ln_eps,
            parameters=Parameters(*(x.ctypes.data for x in self.parameters)),
            **{key: x.ctypes.data for key, x in arrays.items()},
        )
        if sums is not None:
            arguments.sums = ctypes.pointer(Parameters(*(x.ctypes.data for x in sums)))
        name, problem = f"deepattn_cuda_attention_{self.suffix}", aligned((1,), np.uint64)
        room = workspace(
            self.library,
            f"deepattn_cuda_attention_workspace_{self.suffix}",
            *(ctypes.byref(self.shape), number, int(sums is not None)),
        )
        rest = (pointer(problem), pointer(room[0]), room[1])
        call(self.library, name, ctypes.byref(arguments), number, *rest)
        explain(self.library, problem)

    def _size(self, what):
        function = getattr(self.library, f"deepattn_cuda_attention_{what}_{self.suffix}")
        function.restype = ctypes.c_int64
        return function(ctypes.byref(self.shape))
