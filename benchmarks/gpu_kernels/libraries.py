"""The libraries to compare, compiled from this checkout, and where their arrays are."""

import ctypes
import importlib.util
import os
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "gpu_kernels"
sys.path.insert(0, str(ROOT / "ops" / "python"))

import cuda_attention_calls  # noqa: E402, F401
import cuda_calls  # noqa: E402
import cuda_embedding_calls  # noqa: E402, F401
import cuda_potential_calls  # noqa: E402, F401


def load_builder():
    """``deepattn.ops.build`` without its package, whose import needs TensorFlow."""
    path = ROOT / "deepattn" / "ops" / "build.py"
    spec = importlib.util.spec_from_file_location("deepattn_ops_build", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


builder = load_builder()
STORES = builder.object_stores(ROOT / "ops", BUILD)


def load_cpu() -> ctypes.CDLL:
    """The CPU's kernels with their C interface, without TensorFlow."""
    path = BUILD / f"libdeepattn_cpu-{builder.source_digest(ROOT / 'ops')}.so"
    if not path.is_file():
        BUILD.mkdir(parents=True, exist_ok=True)
        units = builder.build_units.KERNEL_UNITS
        items = [builder.compilation(unit, ROOT / "ops", builder.NO_TENSORFLOW) for unit in units]
        run = builder.build_cuda.run
        store = STORES(run(["c++", "--version"]))
        objects = store.compile(items, "kernels", run)
        run(["c++", "-shared", *map(str, objects.values()), "-o", str(path)])
    return ctypes.CDLL(str(path))


def load_cuda(host: bool) -> ctypes.CDLL:
    """The CUDA library, or the one of the same sources for the host."""
    builder_cuda = builder.build_cuda
    nvcc = None if host else builder_cuda.find_nvcc()
    targets = builder_cuda.choose_architectures(nvcc) if nvcc else []
    folder = BUILD / "-".join([builder_cuda.cuda_digest(ROOT / "ops"), *targets])
    path = folder / (builder_cuda.HOST_LIBRARY if host else builder_cuda.LIBRARY)
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        if host:
            builder_cuda.build_host(path, source=ROOT / "ops", open_store=STORES)
        else:
            builder_cuda.build_cuda(folder, source=ROOT / "ops", open_store=STORES)
    if not host:
        cuda_calls.arrays = CupyArrays()
    return ctypes.CDLL(str(path))


def spoil(array) -> None:
    """Sets all bytes of an array of NumPy or CuPy, which makes no numbers of its floats."""
    array.reshape(-1).view(np.uint8)[...] = 0xFF


class CupyArrays:
    """Arrays of CuPy, as `cuda_calls.HostArrays`; each has its own memory, which checkers see."""

    def __init__(self):
        os.environ["CUPY_TF32"] = "0"  # products that kernels are timed against: plain float32
        import cupy

        cupy.cuda.set_allocator(None)
        self.cupy = cupy

    def empty(self, shape, dtype):
        """An array in the device's memory; its floats are no numbers."""
        array = self.cupy.empty(shape, dtype)
        spoil(array)
        return array

    def device(self, array):
        """A copy of an array of numpy."""
        return self.cupy.asarray(np.ascontiguousarray(array))

    def address(self, array):
        """Where an array is."""
        return array.data.ptr

    def host(self, array):
        """An array as one of numpy; waits for the device."""
        return self.cupy.asnumpy(array)
